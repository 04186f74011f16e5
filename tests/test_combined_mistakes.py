"""Who makes two mistakes at once is told of both."""

from itertools import combinations

import pytest
from conftest import EXERCISES

from convcraft.exam import judge
from convcraft.exam.outcome import outcome


def failures(exercise, index: int) -> set[str]:
    """The aspects in which a misconception fails."""
    expected, mistaken = exercise.expected(0), exercise.mistaken(index, 0)
    return {item.name for item in exercise.aspects()
            if not outcome(item, mistaken.get(item.name), expected[item.name])}


def pairs(failed: list[set[str]], every: bool) -> list[tuple[int, int]]:
    """Mistakes that fail in different aspects: every two of them, or so many that each is in a pair once at least."""
    told: set[int] = set()
    chosen = []
    for pair in combinations(range(len(failed)), 2):
        if failed[pair[0]].isdisjoint(failed[pair[1]]) and (every or not told.issuperset(pair)):
            chosen.append(pair)
            told.update(pair)
    return chosen


def test_each_mistake_that_can_be_combined_is_in_a_pair():
    failed = [{"values"}, {"values", "shape"}, {"shape"}, {"dtype"}, {"values", "shape", "dtype"}]
    assert pairs(failed, every=True) == [(0, 2), (0, 3), (1, 3), (2, 3)]
    assert pairs(failed, every=False) == [(0, 2), (0, 3), (1, 3)]


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["some", "every pair"])
@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_two_mistakes_in_different_aspects_give_both_sentences(chapter, name, every):
    """An answer shows each of two mistakes where that one fails."""
    exercise = chapter.exercises[name]
    failed = [failures(exercise, index) for index in range(len(exercise.misconceptions))]
    silent = []
    for one, two in pairs(failed, every):
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
