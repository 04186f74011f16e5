"""Who makes two mistakes at once is told of both."""

from itertools import combinations

import pytest
from conftest import EXERCISES

from convcraft.exam import judge
from convcraft.exam.judge import _outcome


def failures(exercise, index: int) -> set[str]:
    """The aspects in which a misconception fails."""
    expected, mistaken = exercise.expected(0), exercise.mistaken(index, 0)
    return {item.name for item in exercise.aspects()
            if not _outcome(item, mistaken.get(item.name), expected[item.name])}


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_two_mistakes_in_different_aspects_give_both_sentences(chapter, name):
    """Every pair that can be combined: an answer shows each of the two mistakes where that one fails."""
    exercise = chapter.exercises[name]
    failed = [failures(exercise, index) for index in range(len(exercise.misconceptions))]
    silent = []
    for one, two in combinations(range(len(failed)), 2):
        if failed[one] & failed[two]:
            continue
        shown = dict(exercise.expected(0))
        for index in (one, two):
            shown |= {aspect: exercise.mistaken(index, 0)[aspect] for aspect in failed[index]
                      if aspect in exercise.mistaken(index, 0)}
        told = judge(exercise, shown.values(), 0).diagnoses
        for index in (one, two):
            if exercise.misconceptions[index].sentence not in told:
                names = [exercise.misconceptions[which].answer.__name__ for which in (one, two, index)]
                silent.append((*names, told))
    assert not silent
