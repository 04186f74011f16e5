"""The notebook that runs: the teacher's, with the student's code put in."""

import html
import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from convcraft.grading.notebook.answers import answered, bound, matched, words
from convcraft.grading.notebook.released import Cell, ReleasedNotebook, as_written, grade_id, normal
from convcraft.grading.notebook.submitted import SubmittedNotebook, shown
from convcraft.language import N_, _
from convcraft.layout import is_demo

_MAX_EXTRA = 200
LANGUAGE = "convcraft_language"  # the metadata's key of what a graded notebook speaks
REMARKS = "convcraft_remarks"  # the metadata's key of the cell that has them

DOUBLED = N_("The cell {name} is there {count} times; each copy that differs from the release ran where it stands.")
RETYPED = N_("The cell {name} was no code cell any more; it was run as one.")
DELETED = N_("The cell {name} is missing, and no other cell defines {name}: there is nothing to examine.")
CHANGED = N_("The graded cell {name} was changed; the original was run.")
CODE_IN_GRADED = N_("The graded cell {name} was changed; the original was run, after the code that was put into the "
                    "cell.")
TOO_MANY = N_("Of {count} cells of your own, the first {limit} were run.")
SHOWS_ONLY = N_("Cells that only show something were changed and not run, for no answer needs what they define: "
                "{count}, of which the first begins with “{begin}”.")
LATE = N_("{name} is defined below its graded cell; it was examined there.")
TITLE = N_("Remarks of the grader")


@dataclass
class Rebuilt:
    """A notebook ready to run.

    Attributes:
        cells: the teacher's cells, the student's code in them, and the student's own cells between.
        origin: for each cell the position of the teacher's cell that it is unchanged, else None.
        remarks: what the student should know.
        unanswered: grade_ids whose answer is still the released one.
        idle: the positions of cells that are shown and not run: stubs whose answer stands elsewhere.
        own: the positions of the student's own cells, which share a time of their own.
    """

    released: ReleasedNotebook
    cells: list[Cell] = field(default_factory=list)
    origin: list[int | None] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unanswered: set[str] = field(default_factory=set)
    idle: set[int] = field(default_factory=set)
    own: set[int] = field(default_factory=set)

    def add(self, cell: Cell, origin: int | None = None) -> None:
        self.cells.append(cell)
        self.origin.append(origin)

    def add_own(self, source: str) -> None:
        """Add a cell for the student's own code, with an id of its own."""
        self.own.add(len(self.cells))
        self.add({"cell_type": "code", "id": f"own-{len(self.own)}", "metadata": {}, "source": source, "outputs": [],
                  "execution_count": None})

    def steps(self) -> list[dict[str, Any]]:
        """What is to be run, in order, numbered by the cell's position.

        An exam whose answer is defined only further below comes after it.
        """
        exams = {exam.grade_id: exam for exam in self.released.exams.values()}
        wanted = {exam.exercise for exam in exams.values()}
        steps: list[dict[str, Any]] = []
        waiting: dict[str, dict[str, Any]] = {}
        defines = [self._defines(number, wanted) for number in range(len(self.cells))]
        coming = {name: number for number in reversed(range(len(self.cells))) for name in defines[number]}
        for number, cell in enumerate(self.cells):
            if not self._runs(number):
                continue
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                exam = exams[grade_id(cell)]
                step = {"number": number, "exam": exam.exercise, "answer": exam.answer}
                if coming.get(exam.exercise, -1) > number:
                    waiting[exam.exercise] = step
                else:
                    steps.append(step)
                continue
            names = defines[number]
            steps.append({"number": number, "code": cell["source"], "own": number in self.own and not names})
            steps += [waiting.pop(name) for name in sorted(names & waiting.keys())]
        return steps

    def text(self) -> str:
        """The notebook as a file, remarks first."""
        parts = [as_written(cell) if origin is None else self.released.as_written[origin]
                 for cell, origin in zip(self.cells, self.origin, strict=True)]
        if self.remarks:
            lines = [f"**{_(TITLE)}**", *(f"- {_markdown(remark)}" for remark in self.remarks)]
            parts.insert(0, as_written({"cell_type": "markdown", "id": "remarks", "metadata": {REMARKS: True},
                                        "source": "\n".join(lines)}))
        facts = self.released.metadata | {LANGUAGE: self.released.language}
        metadata = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
        return ('{\n "cells": [\n  ' + ",\n  ".join(parts) + '\n ],\n "metadata": ' + metadata.replace("\n", "\n ")
                + ',\n "nbformat": 4,\n "nbformat_minor": 5\n}\n')

    def _runs(self, number: int) -> bool:
        cell = self.cells[number]
        return (cell["cell_type"] == "code" and not is_demo(cell) and number not in self.idle
                and bool(cell["source"].strip()))

    def _defines(self, number: int, wanted: set[str]) -> set[str]:
        cell = self.cells[number]
        if not self._runs(number) or cell["metadata"].get("nbgrader", {}).get("grade"):
            return set()
        return bound(cell["source"], wanted)


def rebuild(released: ReleasedNotebook, submitted: SubmittedNotebook) -> Rebuilt:
    """Put the student's solution cells, and code cells of his own, into the teacher's notebook.

    Only sources and their order are taken from the student; every type, tag and number of points is the teacher's.
    A stub never overrides an answer, wherever it is pasted.
    """
    result = Rebuilt(released, remarks=list(submitted.remarks))
    cells = submitted.cells or []
    written = answered(released, cells)
    sorted_ = _Sorted(released, cells, written, result.remarks)
    result.unanswered = released.solutions.keys() - written
    for source in sorted_.own.get(-1, []):
        result.add_own(source)
    for position, cell in enumerate(released.cells):
        name = grade_id(cell)
        if position in sorted_.demos:
            result.own.add(len(result.cells))
            result.add({**cell, "metadata": {}, "source": sorted_.demos[position]})
        elif released.solutions.get(name) == position and submitted.cells is not None:
            _put_solution(result, cell, position, sorted_.solutions.get(name), name in written)
        else:
            result.add(cell, position)
        for source in sorted_.own.get(position, []):
            result.add_own(source)
    steps = result.steps()
    result.remarks += [_(LATE).format(name=shown(later["exam"])) for step, later in pairwise(steps)
                       if "exam" in later and later["number"] < step["number"]]
    return result


def _put_solution(result: Rebuilt, stub: Cell, position: int, source: str | None, is_written: bool) -> None:
    if source is None:  # an empty cell, not the stub, which would hide an answer defined elsewhere
        result.add({**stub, "source": ""})
        return
    if is_written and result.released.is_untouched(source, position):
        result.idle.add(len(result.cells))
    result.add({**stub, "source": source}, position if source == stub["source"] else None)


class _Sorted:
    """A student's cells by where they go.

    Attributes:
        solutions: grade_id → the source for the solution cell.
        own: position of the teacher's cell before it (-1: none) → code of the student's own.
        demos: position → code in a cell that only shows something, where other code may need it.
    """

    def __init__(self, released: ReleasedNotebook, cells: list[Cell], written: set[str], remarks: list[str]):
        self.solutions: dict[str, str] = {}
        self.own: dict[int, list[str]] = {}
        self.demos: dict[int, str] = {}
        self._released, self._remarks, self._written = released, remarks, written
        self._anchor, self._count = -1, 0
        names = {position: name for name, position in released.solutions.items()}
        positions = matched(released, cells)
        shown_only: list[tuple[int, Cell, int]] = []
        seen: set[int] = set()
        for cell, position in zip(cells, positions, strict=True):
            is_copy = position in seen
            if position is not None and not is_copy:
                self._anchor = position
                seen.add(position)
            if position in names:
                self._solution(names[position], cell, is_copy)
            elif position in released.exams:
                self._graded(released.exams[position].grade_id, cell, position)
            elif position is not None and is_demo(released.cells[position]):
                shown_only.append((position, cell, self._anchor))
            elif position is None or self._differs(cell, position):
                self._own_code(cell)
        self._demo_code(shown_only)
        self._count_remarks(cells, [names[position] for position in positions if position in names])

    def _solution(self, name: str, cell: Cell, is_copy: bool) -> None:
        is_stub = normal(cell["source"]) in self._released.by_stub
        if cell["cell_type"] != "code" and not is_copy:
            self._remarks.append(_(RETYPED).format(name=shown(name)))
        if not is_copy:
            self.solutions[name] = cell["source"]
        elif not is_stub:
            self._add(cell["source"])

    def _graded(self, name: str, cell: Cell, position: int) -> None:
        if not self._differs(cell, position):
            return
        defines = cell["cell_type"] == "code" and re.search(r"^(def|class)\s", cell["source"], re.M)
        self._remarks.append(_(CODE_IN_GRADED if defines else CHANGED).format(name=shown(name)))
        if defines:
            before, self._anchor = self._anchor, position - 1
            self._add(cell["source"])
            self._anchor = before

    def _own_code(self, cell: Cell) -> None:
        source = normal(cell["source"])
        if cell["cell_type"] == "code" and source and source not in self._released.by_source:
            self._add(cell["source"])

    def _demo_code(self, cells: list[tuple[int, Cell, int]]) -> None:
        """Code in a cell that only shows something runs where other code, or an exam, needs a name that it defines."""
        changed = [(position, cell["source"], anchor) for position, cell, anchor in cells
                   if cell["cell_type"] == "code" and self._differs(cell, position)]
        if not changed:
            return
        needed = words([*self.solutions.values(), *(source for several in self.own.values() for source in several)])
        needed |= {exam.exercise for exam in self._released.exams.values()}
        defines, run = [bound(source) for _, source, _ in changed], set[int]()
        while more := {number for number, names in enumerate(defines) if names & needed} - run:
            run |= more
            needed |= words([changed[number][1] for number in more])  # one such cell may need another
        skipped = [source for number, (_, source, _) in enumerate(changed) if source.strip() and number not in run]
        if skipped:
            begin = next(line.strip() for line in skipped[0].splitlines() if line.strip())
            self._remarks.append(_(SHOWS_ONLY).format(count=len(skipped), begin=shown(begin, 60)))
        for number in sorted(run):
            position, source, anchor = changed[number]
            if position in self.demos:
                self.own.setdefault(anchor, []).append(source)
            else:
                self.demos[position] = source

    def _differs(self, cell: Cell, position: int) -> bool:
        return not self._released.is_untouched(cell["source"], position)

    def _add(self, source: str) -> None:
        self._count += 1
        if self._count <= _MAX_EXTRA:
            self.own.setdefault(self._anchor, []).append(source)

    def _count_remarks(self, cells: list[Cell], solutions: list[str]) -> None:
        if self._count > _MAX_EXTRA:
            self._remarks.append(_(TOO_MANY).format(count=self._count, limit=_MAX_EXTRA))
        for name in self._released.solutions:
            if cells and name not in self.solutions and name not in self._written:
                self._remarks.append(_(DELETED).format(name=shown(name)))
            if (count := solutions.count(name)) > 1:
                self._remarks.append(_(DOUBLED).format(name=shown(name), count=count))


def _markdown(remark: str) -> str:
    """Plain text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]|$#~])", r"\\\1", html.escape(remark, quote=False))
