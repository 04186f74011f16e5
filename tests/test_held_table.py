"""Every exercise, now and later: who answers, gets what."""

import json
import os
import subprocess
import sys
from functools import cache

import pytest
from conftest import CHAPTERS, EXERCISES, UNLISTED, messages

from convcraft.author import rules
from convcraft.author.prove import answers, examined, held_table
from convcraft.exam.present import text

_answers = cache(answers)
_ELSEWHERE = """
import json, sys
from pathlib import Path
from convcraft.author.prove import answers, held_table
from convcraft.author.source import Chapter
chapter = Chapter(Path(sys.argv[1]))
solutions, stubs = answers(chapter)
print(json.dumps({name: {item.who: item.verdict.points for item in held_table(exercise, solutions[name], stubs[name])}
                  for name, exercise in chapter.exercises.items()}))
"""
SECRET_SEEDS = (7, 20260101)


@cache
def _proved(chapter, name):
    """The held table for the seed of notebooks."""
    solutions, stubs = _answers(chapter)
    return list(held_table(chapter.exercises[name], solutions[name], stubs[name]))


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_who_answers_gets_what(chapter, name):
    proved = _proved(chapter, name)
    wrong = [f"{item.who}: {item.complaint} ({item.verdict.points})" for item in proved if item.complaint]
    assert not wrong
    for item in proved:
        _tells_all_in_five_lines(item.verdict)


def _tells_all_in_five_lines(verdict):
    failed = [row for row in verdict.rows if not row.passed]
    shown = messages(text(verdict))
    for message in shown:
        assert len(message.splitlines()) <= 5 and max(map(len, message.splitlines())) <= 120, message
    told = [" ".join(message.split()) for message in shown]
    assert all(row.diagnosis in " ".join(told) for row in failed)
    if len(failed) > 1 == len(shown):  # one row for all
        return
    for row, message in zip(failed, told, strict=True):
        assert message.startswith(row.name)
        assert " ".join(row.detail.split())[:60] in message
        assert f"The task says: “{row.says[:40]}" in message


@pytest.mark.parametrize(("seed", "every"), [(SECRET_SEEDS[0], 5), *(pytest.param(seed, 1, marks=pytest.mark.long)
                                                                     for seed in SECRET_SEEDS)])
@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_a_secret_seed_changes_no_mark(chapter, name, seed, every, nobody_is_told):
    """Of right answers, and of every misconception, or one in five."""
    exercise = chapter.exercises[name]
    usual = {item.who: item.verdict.points for item in _proved(chapter, name)}
    for answer in (_answers(chapter)[0][name], *exercise.alternatives):
        assert examined(exercise, answer, seed).points == exercise.points, answer
    for misconception in exercise.misconceptions[::every]:
        points = examined(exercise, misconception.answer, seed, banning=False).points
        assert points < exercise.points, misconception.answer
        assert points == usual[f"misconception {misconception.answer.__name__}"], misconception.answer


@cache
def _elsewhere(chapter):
    """The points of a chapter's held table, from a process that makes do without this processor's vector units."""
    run = subprocess.run([sys.executable, "-c", _ELSEWHERE, chapter.folder], capture_output=True, text=True, check=True,
                         env=os.environ | {"ATEN_CPU_CAPABILITY": "default"})
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_another_processor_changes_no_mark(chapter, name):
    assert _elsewhere(chapter)[name] == {item.who: item.verdict.points for item in _proved(chapter, name)}


@pytest.mark.parametrize(("chapter", "name"), UNLISTED)
def test_what_a_chapter_no_longer_asks_is_held_to_the_same(chapter, name):
    exercise = chapter.unlisted[name]
    for seed in (0, *SECRET_SEEDS):
        wrong = [f"{item.who}: {item.complaint} ({item.verdict.points})"
                 for item in held_table(exercise, None, None, seed) if item.complaint]
        assert not wrong, seed


@pytest.mark.parametrize(("chapter", "name"), [*EXERCISES, *UNLISTED])
def test_an_exercise_is_well_furnished(chapter, name):
    assert [*rules.exam(chapter, name), *rules.furniture(chapter, name)] == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_is_worth_100_points(chapter):
    assert sum(exercise.points for exercise in chapter.exercises.values()) == 100
