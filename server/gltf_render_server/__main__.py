"""``python -m gltf_render_server``, and the program ``gltf-render-server``."""


def main() -> None:
    """Run the server until a signal ends it."""
    from .cli import main as run  # not at the top: the workers' processes import this module, too

    run()


if __name__ == "__main__":
    main()
