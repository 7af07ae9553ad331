"""Makes a dataset as the program does, and prints what memory it takes meanwhile, as JSON."""

import json
import sys
from contextlib import closing
from pathlib import Path

import psutil
from memory import own_bytes

from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.making import make, read_plan, renderer_settings

STEP = 50


class Memory:
    """Progress that measures the memory of this process and of its workers, bytes, now and then."""

    def __init__(self):
        self.found = {}
        self._process = psutil.Process()

    def update(self, summary):
        if summary.finished % STEP == 0 and summary.finished not in self.found:
            processes = [self._process, *self._process.children(recursive=True)]
            self.found[summary.finished] = sum(map(resident_bytes, processes))

    def show(self, line):
        pass


def resident_bytes(process):
    try:
        return own_bytes(process)
    except psutil.NoSuchProcess:  # it has ended meanwhile
        return 0


def main(specification, out, workers):
    plan, memory = read_plan(Path(specification)), Memory()
    with closing(LocalEngine(renderer_settings(plan, workers=int(workers)))) as engine:
        summary = make(plan, Path(out), engine, progress=memory)
    told = {"made": summary.made, "failed": len(summary.failed), "memory": memory.found}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
