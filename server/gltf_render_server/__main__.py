"""Entry point of ``python -m gltf_render_server`` and of the program ``gltf-render-server``."""

import os
import signal

from .process.interruption import end_by


def main() -> None:
    """Run the server until a signal ends it."""
    # until the server has handlers of its own; Python's raises an error, which is dropped in a callback, such
    # as those of imports
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a background job may ignore it
        signal.signal(signal.SIGINT, end_by)
    if os.getpid() == 1:  # the kernel protects a container's first process from signals without a handler
        signal.signal(signal.SIGTERM, end_by)
    from .cli import main as run  # imported here because the worker processes import this module, too

    run()


if __name__ == "__main__":
    main()
