"""``python -m gltf_render_server``, and the program ``gltf-render-server``."""

import signal


def main() -> None:
    """Run the server until a signal ends it."""
    try:
        from .cli import main as run  # not at the top: the workers' processes import this module, too

        run()
    except KeyboardInterrupt:  # before the server itself watches for signals
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
