"""Makes a dataset as the program does, and prints what memory it takes meanwhile, as JSON."""

import json
import sys
from contextlib import closing
from pathlib import Path

import psutil

from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.making import make, read_plan, renderer_settings

STEP = 50


class Memory:
    """Progress that measures the resident memory of this process and of its workers, bytes, now and then."""

    def __init__(self):
        self.found = {}
        self._process = psutil.Process()

    def update(self, summary):
        if summary.finished % STEP == 0 and summary.finished not in self.found:
            processes = [self._process, *self._process.children(recursive=True)]
            self.found[summary.finished] = sum(each.memory_info().rss for each in processes)

    def tell(self, line):
        pass


def main(specification, out, workers):
    plan, memory = read_plan(Path(specification)), Memory()
    with closing(LocalEngine(renderer_settings(plan, workers=int(workers)))) as engine:
        summary = make(plan, Path(out), engine, progress=memory)
    told = {"made": summary.made, "failed": len(summary.failed), "memory": memory.found}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
