"""Exams that are handed out, or sent to where answers run: small, as telling as open ones, and no help to anybody."""

import ast
import json
import types
from functools import cache

import pytest
from conftest import CHAPTERS, EXERCISES, UNLISTED

import convcraft
from convcraft.author.prove import answers
from convcraft.exam import NoExamError, find, judge, observe
from convcraft.exam.probe import source_of
from convcraft.exam.sealed import load_sealed, seal, sealed_names

_answers = cache(answers)
_COURSE = {name: exercise for chapter in CHAPTERS for name, exercise in (chapter.exercises | chapter.unlisted).items()}
_MOST = 10_000_000  # bytes of all sealed exams together


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All exams, sealed."""
    folder = tmp_path_factory.mktemp("sealed")
    for exercise in _COURSE.values():
        seal(exercise, folder)
    return folder


@pytest.fixture
def one(tmp_path, monkeypatch):
    """One sealed exam, where `examine` looks for it."""
    monkeypatch.setenv("CONVCRAFT_EXAMS", str(tmp_path))
    return seal(_COURSE["relu"], tmp_path)


@pytest.mark.parametrize(("chapter", "name"), [*EXERCISES, *UNLISTED])
def test_a_sealed_exam_says_the_same(chapter, name, tmp_path):
    exercise = chapter.exercise(name)
    sealed = load_sealed(seal(exercise, tmp_path).parent, name)
    right = _answers(chapter)[0][name] if exercise.listed else exercise.alternatives[0]
    some = exercise.misconceptions[::4]  # a mistake of each four: all of them take minutes
    for answer, bans in ((right, sealed.bans), *((known.answer, frozenset()) for known in some)):
        records = list(observe(name, sealed.probe, answer, seed=0, bans=bans))
        told, due = judge(sealed, records, 0), judge(exercise, records, 0)
        assert told.points == due.points
        assert told.diagnoses == due.diagnoses
        assert [(row.detail, row.relation, row.call) for row in told.rows] == [
            (row.detail, row.relation, row.call) for row in due.rows]


@pytest.mark.long
@pytest.mark.xdist_group("all sealed")
def test_sealed_exams_are_text_and_numbers_of_few_bytes(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"exam.json", "probe.py", "answers.xz"}
    assert sum(path.stat().st_size for path in files) < _MOST
    assert sealed_names(folder) == sorted(_COURSE)


@pytest.mark.long
@pytest.mark.xdist_group("all sealed")
def test_a_sealed_exam_carries_no_answer(folder):
    for name, exercise in _COURSE.items():
        carried = {path.name: path.read_bytes() for path in (folder / name).iterdir()}
        defined = {node.name for node in ast.parse(carried["probe.py"]).body
                   if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        known = [exercise.reference, *(item.answer for item in exercise.misconceptions), *exercise.alternatives]
        assert not (defined - {name}) & {answer.__name__ for answer in known}, name
        for answer in known[1:]:
            assert not [file for file, content in carried.items() if answer.__name__.encode() in content], answer


def carried(exercise) -> dict[str, object]:
    """Every function and class that a probe carries besides itself, those inside of functions and methods, too."""
    module = types.ModuleType(f"carried_{exercise.name}")
    exec(compile(source_of(exercise), f"exams/{exercise.name}.py", "exec"), module.__dict__)
    found = {}
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", "") == module.__name__:
            found |= {} if name == exercise.name else {name: value}
            functions = [each for each in (vars(value).values() if isinstance(value, type) else [value])
                         if isinstance(each, types.FunctionType)]
            found |= {f"{name}, line {code.co_firstlineno}": types.FunctionType(code, module.__dict__)
                      for function in functions for code in inside(function.__code__)}
    return found


def inside(code: types.CodeType):
    """The functions in a function that need nothing of it."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if not constant.co_freevars and not constant.co_name.endswith(("comp>", "expr>")):
                yield constant
            yield from inside(constant)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_nothing_that_a_probe_carries_earns_a_point(chapter):
    exercises = [*chapter.exercises.values(), *chapter.unlisted.values()]
    for helper, value in {f"{exercise.name}: {name}": value for exercise in exercises
                          for name, value in carried(exercise).items()}.items():
        for exercise in exercises:
            records = observe(exercise.name, exercise.probe, value, seed=0, bans=exercise.bans, seconds=3)
            assert judge(exercise, records, 0).points == 0, f"{helper} answers {exercise.name}"


@pytest.mark.parametrize(("file", "spoil"), [
    ("exam.json", lambda text: json.dumps(json.loads(text) | {"format": 1})),
    ("exam.json", lambda text: json.dumps({"name": "relu", "python": "3.10"})),  # as 1.0.0 sealed
    ("exam.json", lambda text: text[:40]),
    ("probe.py", lambda text: "def relu(impl, draw"),
    ("probe.py", lambda text: "relu = undefined"),
])
def test_what_another_version_sealed_is_refused_with_a_sentence(one, file, spoil, capsys, monkeypatch):
    path = one / file
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert convcraft.examine("relu", lambda x: x) is None
    assert "relu" in (said := capsys.readouterr().out) and "seal the exams again with `convcraft exams`" in said
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(NoExamError):
        find("relu")


def test_answers_that_were_cut_off_are_refused_with_a_sentence(one, capsys):
    (one / "answers.xz").write_bytes((one / "answers.xz").read_bytes()[:100])
    assert convcraft.examine("relu", lambda x: x) is None
    assert "is not whole" in capsys.readouterr().out
