"""The notebook that runs: the teacher's, with the student's code put in."""

import json
from dataclasses import dataclass, field

from convcraft.grading.chapter import Cell, Chapter, grade_id, is_demo, normal, written
from convcraft.grading.handed_in import HandedIn, shown

_MAX_EXTRA = 200

DOUBLED = "The cell {name} is there {count} times; all of them were run, in their order."
RETYPED = "The cell {name} was no code cell any more; it was run as one."
DELETED = "The cell {name} is missing; if no other cell defines its answer, there is nothing to examine."
CHANGED = "The graded cell {name} was changed; the original was run."
TOO_MANY = "Of {count} cells of your own, the first {limit} were run."
TITLE = "**Remarks of the grader**"


@dataclass
class Rebuilt:
    """A notebook ready to run.

    Attributes:
        cells: the teacher's cells, the student's code in them, and the student's own cells between.
        origin: for each cell the position of the teacher's cell that it is unchanged, else None.
        remarks: what the student should know.
        unanswered: grade_ids whose answer is still the released one.
    """

    chapter: Chapter
    cells: list[Cell] = field(default_factory=list)
    origin: list[int | None] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unanswered: set[str] = field(default_factory=set)

    def add(self, cell: Cell, origin: int | None = None) -> None:
        self.cells.append(cell)
        self.origin.append(origin)

    def steps(self) -> list[dict]:
        """What is to be run, in order, numbered by the cell's position."""
        steps = []
        exams = {exam.grade_id: exam for exam in self.chapter.exams.values()}
        for number, cell in enumerate(self.cells):
            if cell["cell_type"] != "code" or is_demo(cell):
                continue
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                exam = exams[grade_id(cell)]
                steps.append({"number": number, "exam": exam.exercise, "answer": exam.answer})
            elif cell["source"].strip():
                steps.append({"number": number, "code": cell["source"]})
        return steps

    def text(self) -> str:
        """The notebook as a file."""
        parts = [written(cell) if origin is None else self.chapter.written[origin]
                 for cell, origin in zip(self.cells, self.origin, strict=True)]
        metadata = json.dumps(self.chapter.metadata, indent=1, sort_keys=True, ensure_ascii=False)
        return ('{\n "cells": [\n  ' + ",\n  ".join(parts) + '\n ],\n "metadata": ' + metadata.replace("\n", "\n ")
                + ',\n "nbformat": 4,\n "nbformat_minor": 5\n}\n')


def rebuild(chapter: Chapter, handed_in: HandedIn) -> Rebuilt:
    """Put the student's solution cells, and code cells of his own, into the teacher's notebook.

    Only sources and their order are taken from the student; every type, tag and number of points is the teacher's.
    """
    result = Rebuilt(chapter, remarks=list(handed_in.remarks))
    solutions, extras = _sort(chapter, handed_in.cells or [], result.remarks)
    if result.remarks:
        lines = [TITLE, *(f"- {remark}" for remark in result.remarks)]
        result.add({"cell_type": "markdown", "id": "remarks", "metadata": {}, "source": "\n".join(lines)})
    extra = _Extra()
    for source in extras.get(-1, []):
        result.add(extra.cell(source))
    for position, cell in enumerate(chapter.cells):
        name = grade_id(cell)
        if name in chapter.solutions and position == chapter.solutions[name]:
            _answer(result, chapter, name, solutions.get(name), extra, handed_in.cells is None)
        else:
            result.add(cell if position not in chapter.exams else dict(cell), position)
        for source in extras.get(position, []):
            result.add(extra.cell(source))
    return result


class _Extra:
    """Makes cells for code of the student's own, each with an id of its own."""

    def __init__(self):
        self._count = 0

    def cell(self, source: str) -> Cell:
        self._count += 1
        return {"cell_type": "code", "id": f"own-{self._count}", "metadata": {}, "source": source, "outputs": [],
                "execution_count": None}


def _answer(result: Rebuilt, chapter: Chapter, name: str, sources: list[str] | None, extra: _Extra,
            nothing: bool) -> None:
    position = chapter.solutions[name]
    released = chapter.cells[position]
    if nothing:
        result.unanswered.add(name)
        result.add(released, position)
        return
    if sources is None:  # an empty cell, not the stub, which would hide an answer defined elsewhere
        result.add({**released, "source": ""})
        return
    for source in sources[:-1]:
        result.add(extra.cell(source))
    same = normal(sources[-1]) == normal(released["source"])
    if same and len(sources) == 1:
        result.unanswered.add(name)
    result.add({**released, "source": sources[-1]}, position if sources[-1] == released["source"] else None)


def _sort(chapter: Chapter, cells: list[Cell], remarks: list[str]) -> tuple[dict[str, list[str]], dict[int, list[str]]]:
    """Solutions by grade_id, and the student's own code by the position of the teacher's cell before it."""
    solutions: dict[str, list[str]] = {}
    extras: dict[int, list[str]] = {}
    anchor, own = -1, 0
    for cell in cells:
        name, source = grade_id(cell), cell["source"]
        if name in chapter.solutions:
            anchor = chapter.solutions[name]
            solutions.setdefault(name, []).append(source)
            if cell["cell_type"] != "code":
                remarks.append(RETYPED.format(name=shown(name)))
            continue
        identity = cell["id"] if isinstance(cell["id"], str) else ""
        position = chapter.by_grade_id.get(name, chapter.by_id.get(identity, chapter.by_source.get(normal(source))))
        if position is not None:
            anchor = position
            if position in chapter.exams:
                if normal(source) != normal(chapter.cells[position]["source"]):
                    remarks.append(CHANGED.format(name=shown(grade_id(chapter.cells[position]))))
                continue
            teachers = chapter.cells[position]
            if is_demo(teachers) or grade_id(teachers) or normal(teachers["source"]) == normal(source):
                continue
        if cell["cell_type"] == "code" and source.strip() and normal(source) not in chapter.by_source:
            own += 1
            if own <= _MAX_EXTRA:
                extras.setdefault(anchor, []).append(source)
    if own > _MAX_EXTRA:
        remarks.append(TOO_MANY.format(count=own, limit=_MAX_EXTRA))
    if cells:
        remarks += [DELETED.format(name=shown(name)) for name in chapter.solutions if name not in solutions]
    remarks += [DOUBLED.format(name=shown(name), count=len(sources))
                for name, sources in solutions.items() if len(sources) > 1]
    return solutions, extras
