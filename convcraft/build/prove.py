"""The held table: who answers an exercise, and gets what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions
from traitlets.config import Config

from convcraft.build.source import Chapter, is_demo
from convcraft.exam import Exercise, Verdict, judge, observe

STUB = "# YOUR CODE HERE\nraise NotImplementedError"


@dataclass(frozen=True)
class Answered:
    """One answer and what it got; `complaint` is empty where that is right."""

    who: str
    verdict: Verdict
    complaint: str


def namespace(notebook: NotebookNode, label: str) -> dict[str, object]:
    """What the notebook's answers are: its cells run, without those that show or grade."""
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and not is_demo(cell) and not cell.metadata.get("nbgrader", {}).get("grade"):
            exec(compile(cell.source, f"<{label}, cell {number}>", "exec"), names)
    return names


def released(notebook: NotebookNode) -> NotebookNode:
    """The notebook as a student gets it, solutions cleared by nbgrader."""
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    return ClearSolutions(config=config).preprocess(notebook, {})[0]


def examined(exercise: Exercise, answer: Callable, seed: int = 0, *, banning: bool = True) -> Verdict:
    """The verdict on one answer."""
    bans = exercise.bans if banning else frozenset()
    return judge(exercise, observe(exercise.name, exercise.probe, answer, seed=seed, bans=bans), seed)


def prove(exercise: Exercise, solution: Callable, stub: Callable, seed: int = 0) -> Iterator[Answered]:
    """Everyone who is known to answer, in the order of the held table."""
    for who, answer in [("the chapter's solution", solution),
                        *((f"alternative {answer.__name__}", answer) for answer in exercise.alternatives)]:
        verdict = examined(exercise, answer, seed)
        yield Answered(who, verdict, "" if verdict.points == exercise.points else "should have all points")
    for index, misconception in enumerate(exercise.misconceptions):
        verdict = examined(exercise, misconception.answer, seed, banning=False)  # a mistake, however it is written
        yield Answered(f"misconception {misconception.answer.__name__}", verdict,
                       _complaint(exercise, index, verdict))
    for who, answer in [("the released stub", stub), ("an answer that returns None", lambda *_, **__: None),
                        ("an answer that raises ValueError", _raises)]:
        verdict = examined(exercise, answer, seed)
        yield Answered(who, verdict, "" if verdict.points == 0 else "should have no points")


def answers(chapter: Chapter) -> tuple[dict[str, object], dict[str, object]]:
    """The chapter's solutions and its released stubs, by name."""
    return (namespace(chapter.notebook(), chapter.name),
            namespace(released(chapter.notebook()), f"{chapter.name} released"))


def _complaint(exercise: Exercise, index: int, verdict: Verdict) -> str:
    if verdict.points == exercise.points:
        return "should lose points"
    if exercise.misconceptions[index].sentence not in verdict.diagnoses:
        return f"should be told its own sentence, was told {verdict.diagnoses or 'none'}"
    return ""


def _raises(*args, **kwargs):
    raise ValueError("always")
