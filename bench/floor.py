"""The least that grading can cost: the notebooks' cells, run in bare forks of one process.

    python bench/floor.py COURSE CHAPTER

No sandbox, no rebuilding, no judging, no gradebook. A graded cell observes the answer, which is its work in the grader.
"""

import json
import os
import sys
from pathlib import Path

import matplotlib
import matplotlib_inline.backend_inline  # noqa: F401
import torch
import torch._dynamo
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import convcraft
import convcraft.data
import convcraft.plots
from convcraft.exam import load_course, observe


def main(course: Path, chapter: str) -> None:
    """Run every submission of the chapter."""
    torch.set_num_threads(1)
    exercises = load_course(course / "source")
    for path in sorted(course.glob(f"submitted/*/{chapter}/*.ipynb")):
        pid = os.fork()
        if not pid:
            _run(json.loads(path.read_text(encoding="utf-8")), exercises)
            os._exit(0)
        os.waitpid(pid, 0)


def _run(notebook: dict, exercises: dict) -> None:
    def examine(name: str, answer: object) -> None:
        for _ in observe(name, exercises[name].probe, answer, seed=1, bans=exercises[name].bans):
            pass

    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (until the process ends)
    matplotlib.use("module://matplotlib_inline.backend_inline")
    convcraft.set_examiner(examine)
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            shell.run_cell("".join(cell["source"]), store_history=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
