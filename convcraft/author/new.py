"""A new exercise: its four cells and its exam, small and whole, every line of them to be replaced."""

import keyword
import re
from collections.abc import Iterator

from convcraft.author.source import Chapter, SourceError
from convcraft.exam.probe import SHARED

TO_REPLACE = "REPLACE"  # stands in all that an author has to write; `check` finds it
_GRADED = re.compile(r'^examine\("\w+", \w+\)$\n?', re.MULTILINE)
_CELLS = '''
# %% [markdown]
# ### [](#NAME) REPLACE by a title ●●○○○ 15 min
#
# Double every number. (REPLACE by what is to be built, and why.)
#
# By hand: `[1, 2]` becomes `[2, 4]`. (REPLACE by a small example in numbers.)
#
# Write `NAME(x)` for `x` of any shape. It returns a tensor of the same shape. (REPLACE by the signature, with shapes.)
#
# - Negative numbers are doubled, too. (REPLACE by a sentence for each aspect.)
#
# <details><summary>Hint 1: where to start</summary>
#
# REPLACE by where to start.
#
# </details>

# %% nbgrader={"grade_id": "NAME", "solution": true}
def NAME(x):
    """REPLACE by what it does, with shapes."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% tags=["demo"]
with try_it("NAME"):
    print(NAME(torch.tensor([1.0, -2.0])))  # REPLACE by what shows whether it is right

# %% nbgrader={"grade_id": "NAME_exam", "grade": true}
examine("NAME", NAME)
'''
_EXAM = '''"""How `NAME` is examined."""

from convcraft.exam import aspect, exercise


def _plainest(x):  # REPLACE by PyTorch's own function in `reference=`, or by the plainest way to write it
    return 2 * x


@exercise(points=10, reference=_plainest)
def NAME(impl, draw):
    yield aspect("values",  # REPLACE by the aspects: a name, the task's sentence word for word, what is looked at
                 "Negative numbers are doubled, too.",
                 lambda: impl(draw.normal(3, 4)))


@NAME.misconception("The numbers were squared. REPLACE by a sentence that says what was done and where to look.")
def squares_instead(x):
    return x * x


@NAME.alternative
def added_to_itself(x):  # REPLACE by another right way to write it
    return x + x
'''


def write(chapter: Chapter, name: str) -> Iterator[str]:
    """Write the cells after the chapter's last exercise, and the exam; yields what was done and what comes next.

    Raises:
        SourceError: the name is no name for a function, or is taken.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name == SHARED:
        raise SourceError(f"{name!r} is no name for a function; use letters, digits and _")
    taken = sorted(chapter.root.glob(f"source/*/exams/{name}.py"))
    if taken:
        raise SourceError(f"{taken[0]} is there already; names are unique over the course, choose another")
    text = chapter.script.read_text(encoding="utf-8")
    ends = [found.end() for found in _GRADED.finditer(text)]
    end = ends[-1] if ends else len(text)
    number = text[:end].count("\n") + 2
    cells = text[:end].rstrip("\n") + "\n" + _CELLS.replace("NAME", name) + text[end:]
    chapter.script.write_text(cells, encoding="utf-8")
    exam = chapter.exams / f"{name}.py"
    exam.write_text(_EXAM.replace("NAME", name), encoding="utf-8")
    yield f"{chapter.script}:{number}: four cells, after the last exercise; move them where they belong."
    yield f"{exam}: an exam with one aspect, one misconception, one alternative."
    yield f"Next: write your own where {TO_REPLACE} stands; `make prove EXERCISE={name}` says what is missing."
    yield f"Then: make the points add up to 100, and `make assets notebooks solutions check CHAPTER={chapter.name}`."
