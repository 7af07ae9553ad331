"""Pictures from processes that have never rendered anything else: the truth for tests of what history leaves.

As a program, it reads one pickled (settings, scene bytes, image type, camera) and writes the pickled pixels.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from typing import Any

_READY = 2  # processes that wait, started ahead: Blender takes more than a second to start


class FreshRenderers:
    """Renders each request in a process of its own."""

    def __init__(self) -> None:
        self._waiting: deque[subprocess.Popen[bytes]] = deque()
        self._known: dict[Any, Any] = {}

    def image(self, *request: Any) -> Any:
        """request: settings, scene bytes, image type, camera, and what else `defaults.ask` takes."""
        if request not in self._known:
            while len(self._waiting) <= _READY:
                command = [sys.executable, __file__]
                self._waiting.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            process = self._waiting.popleft()
            answer, _ = process.communicate(pickle.dumps(request), timeout=300)
            assert process.returncode == 0, f"the fresh process ended with {process.returncode}"
            self._known[request] = pickle.loads(answer)
        return self._known[request]

    def close(self) -> None:
        for process in self._waiting:
            process.kill()
            process.communicate()


def main() -> None:
    answers = os.dup(1)
    os.dup2(2, 1)  # what Blender says is no answer
    from defaults import ask

    from gltf_render_server.blender import BlenderRenderer

    settings, *request = pickle.load(sys.stdin.buffer)
    renderer = BlenderRenderer(settings)
    pixels = ask(renderer, *request)
    renderer.close()
    with os.fdopen(answers, "wb") as stream:
        pickle.dump(pixels, stream)
    os._exit(0)  # Blender's own clean-up hangs now and then


if __name__ == "__main__":
    main()
