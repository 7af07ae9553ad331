"""Entry point of ``python -m gltf_render_server`` and of the program ``gltf-render-server``."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the server until a signal ends it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a background job may ignore it
        signal.signal(signal.SIGINT, _end)
    if os.getpid() == 1:  # the kernel protects a container's first process from signals without a handler
        signal.signal(signal.SIGTERM, _end)
    from .cli import main as run  # imported here because the worker processes import this module, too

    run()


def _end(number: int, _frame: FrameType | None) -> None:
    """End the process by a signal that comes before the server has installed its handlers.

    Python's own handler of Ctrl-C raises an error, which is dropped in a callback, such as those of imports.
    """
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # in the first process of a container


if __name__ == "__main__":
    main()
