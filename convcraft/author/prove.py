"""The held table: who answers an exercise, and gets what."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions
from rich.console import Console
from rich.markup import escape
from traitlets.config import Config

from convcraft.author import rules
from convcraft.author.source import Chapter, SourceError
from convcraft.exam import Exercise, Verdict, judge, observe
from convcraft.exam.exercise import Answer
from convcraft.exam.present import text
from convcraft.layout import is_demo
from convcraft.scores import points

STUB = "# YOUR CODE HERE\nraise NotImplementedError"


@dataclass(frozen=True)
class Answered:
    """One answer and what it got; `complaint` is empty where that is right."""

    who: str
    verdict: Verdict
    complaint: str


def namespace(notebook: NotebookNode, label: str) -> dict[str, Any]:
    """What the notebook's answers are: its cells run, without those that show or grade.

    Raises:
        SourceError: a cell raised.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and not is_demo(cell) and not cell.metadata.get("nbgrader", {}).get("grade"):
            try:
                exec(compile(cell.source, f"<{label}, cell {number}>", "exec"), names)
            except Exception as error:  # whatever an author's cell raises
                first = cell.source.partition("\n")[0]
                raise SourceError(f"{label}: the cell that begins with {first!r} ends in {type(error).__name__}: "
                                  f"{error}; it may need what only a demo cell defines") from error
    return names


def cleared(notebook: NotebookNode) -> NotebookNode:
    """The notebook as a student gets it, solutions cleared by nbgrader."""
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    result: NotebookNode = ClearSolutions(config=config).preprocess(notebook, {})[0]
    return result


def examined(exercise: Exercise, answer: Answer, seed: int = 0, *, banning: bool = True) -> Verdict:
    """The verdict on one answer."""
    bans = exercise.bans if banning else frozenset()
    return judge(exercise, observe(exercise.name, exercise.probe, answer, seed=seed, bans=bans), seed)


def held_table(exercise: Exercise, solution: Answer | None, stub: Answer | None, seed: int = 0) -> Iterator[Answered]:
    """Everyone who is known to answer, in the order of the held table.

    Args:
        solution, stub: the chapter's; None where it does not ask the exercise any more.
    """
    for who, answer in [*([("the chapter's solution", solution)] if solution is not None else []),
                        *((f"alternative {answer.__name__}", answer) for answer in exercise.alternatives)]:
        verdict = examined(exercise, answer, seed)
        yield Answered(who, verdict, "" if verdict.points == exercise.points else "should have all points")
    for index, misconception in enumerate(exercise.misconceptions):
        verdict = examined(exercise, misconception.answer, seed, banning=False)  # a mistake, however it is written
        yield Answered(f"misconception {misconception.answer.__name__}", verdict,
                       _complaint(exercise, index, verdict))
    for who, answer in [*([("the released stub", stub)] if stub is not None else []),
                        ("an answer that returns None", lambda *_, **__: None),
                        ("an answer that raises ValueError", _raises)]:
        verdict = examined(exercise, answer, seed)
        yield Answered(who, verdict, "" if verdict.points == 0 else "should have no points")


def answers(chapter: Chapter) -> tuple[dict[str, Any], dict[str, Any]]:
    """The chapter's solutions and its released stubs, by name."""
    notebook = chapter.notebook()
    return namespace(notebook, chapter.name), namespace(cleared(notebook), f"{chapter.name} released")


def prove(chapters: list[Chapter], names: tuple[str, ...], console: Console, *, seed: int = 0,
          verbose: bool = False) -> int:
    """Print the held table of the exercises or chapters named, of all where none is; returns how many lines are wrong.

    Raises:
        SourceError: there is no exercise or chapter of a given name.
    """
    missing = set(names) - {name for chapter in chapters
                            for name in (chapter.name, *chapter.exercises, *chapter.unlisted)}
    if missing:
        raise SourceError(f"{chapters[0].root / 'source'}: no exercise or chapter {min(missing)!r}")
    wrong = 0
    for chapter in chapters:
        asked, retired = ([exercise for name, exercise in known.items()
                           if not names or {chapter.name, name} & set(names)]
                          for known in (chapter.exercises, chapter.unlisted))
        solutions, stubs = answers(chapter) if asked else ({}, {})
        for exercise in asked:
            if exercise.name not in solutions:
                raise SourceError(f"{chapter.script}: no cell has the grade_id {exercise.name!r}; add the exercise's "
                                  "cells")
        for exercise in (*asked, *retired):
            broken = list(rules.exam(chapter, exercise.name))
            lines = [*broken, *rules.furniture(chapter, exercise.name)]
            for line in lines:
                console.print(f"[red]✗[/] {escape(line.replace(f'{chapter.root}/', ''))}")
            wrong += len(lines)
            if not broken:
                solution, stub = (known[exercise.name] if exercise.listed else None for known in (solutions, stubs))
                wrong += _prove(exercise, solution, stub, console, seed, verbose)
    return wrong


def _prove(exercise: Exercise, solution: Answer | None, stub: Answer | None, console: Console, seed: int,
           verbose: bool) -> int:
    wrong, start = 0, time.perf_counter()
    console.print(f"[bold]{exercise.name}[/] ({exercise.points} points, {len(exercise.aspects())} aspects)")
    for item in held_table(exercise, solution, stub, seed):
        wrong += bool(item.complaint)
        mark = f"[red]✗ {escape(item.complaint)}[/]" if item.complaint else "[green]✓[/]"
        console.print(f"  {mark} {item.who}: {points(item.verdict.points)}")
        for sentence in item.verdict.diagnoses:
            console.print(f"      {escape(sentence)}")
        if verbose or (item.complaint and item.verdict.points < exercise.points):
            console.print(escape(text(item.verdict)))
    console.print(f"  {time.perf_counter() - start:.1f} s")
    return wrong


def _complaint(exercise: Exercise, index: int, verdict: Verdict) -> str:
    if verdict.points == exercise.points:
        return "should lose points"
    if exercise.misconceptions[index].sentence not in verdict.diagnoses:
        return f"should be told its own sentence, was told {verdict.diagnoses or 'none'}"
    return ""


def _raises(*_: object, **__: object) -> NoReturn:
    raise ValueError("always")
