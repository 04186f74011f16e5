"""Every exercise, now and later: who answers, gets what."""

import textwrap
from functools import cache

import pytest
from conftest import CHAPTERS, EXERCISES, messages

from convcraft.build.prove import answers, examined, prove
from convcraft.exam import load_course
from convcraft.exam.present import text
from convcraft.exam.sealed import load_sealed, seal

pytestmark = pytest.mark.xdist_group("held table")
_answers = cache(answers)
SECRET_SEEDS = (7, 20260101)


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_who_answers_gets_what(chapter, name):
    solutions, stubs = _answers(chapter)
    proved = list(prove(chapter.exercises[name], solutions[name], stubs[name]))
    wrong = [f"{item.who}: {item.complaint} ({item.verdict.points})" for item in proved if item.complaint]
    assert not wrong
    for item in proved:
        _tells_all_in_four_lines(item.verdict)


def _tells_all_in_four_lines(verdict):
    failed = [row for row in verdict.rows if not row.passed]
    shown = messages(text(verdict))
    for message in shown:
        assert len(message.splitlines()) <= 4 and max(map(len, message.splitlines())) <= 120, message
    told = [" ".join(message.split()) for message in shown]
    assert all(row.diagnosis in " ".join(told) for row in failed)
    if len(failed) > 1 == len(shown):  # one row for all
        return
    for row, message in zip(failed, told, strict=True):
        assert message.startswith(row.name)
        assert " ".join(row.detail.split())[:60] in message
        assert f"The task says: “{row.says[:40]}" in message


@pytest.mark.parametrize("seed", SECRET_SEEDS)
@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_a_secret_seed_changes_no_mark(chapter, name, seed):
    exercise = chapter.exercises[name]
    for answer in (_answers(chapter)[0][name], *exercise.alternatives):
        assert examined(exercise, answer, seed).points == exercise.points, answer
    for misconception in exercise.misconceptions:
        points = examined(exercise, misconception.answer, seed).points
        assert points < exercise.points, misconception.answer
        assert points == examined(exercise, misconception.answer).points, misconception.answer


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_an_exercise_is_well_furnished(chapter, name):
    exercise = chapter.exercises[name]
    sentences = [misconception.sentence for misconception in exercise.misconceptions]
    assert len(sentences) >= 4
    assert len(set(sentences)) == len(sentences)
    assert len(exercise.alternatives) >= 3
    names = [aspect.name for aspect in exercise.aspects()]
    assert len(set(names)) == len(names)
    assert all(len(textwrap.wrap(sentence, 94)) <= 2 for sentence in sentences)


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_a_sealed_exam_says_the_same(chapter, name, tmp_path):
    exercise = chapter.exercises[name]
    seal(exercise, tmp_path)
    sealed = load_sealed(tmp_path)[name]
    for answer in (_answers(chapter)[0][name], exercise.misconceptions[0].answer):
        open_verdict, sealed_verdict = examined(exercise, answer), examined(sealed, answer)
        assert sealed_verdict.points == open_verdict.points
        assert sealed_verdict.diagnoses == open_verdict.diagnoses


def test_a_sealed_exam_carries_no_answer(tmp_path):
    for exercise in load_course().values():
        folder = seal(exercise, tmp_path)
        carried = b"".join(path.read_bytes() for path in folder.iterdir())
        for answer in (*(item.answer for item in exercise.misconceptions), *exercise.alternatives):
            assert answer.__name__.encode() not in carried, f"{exercise.name} carries {answer.__name__}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_is_worth_100_points(chapter):
    assert sum(exercise.points for exercise in chapter.exercises.values()) == 100
