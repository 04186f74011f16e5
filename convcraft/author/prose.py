"""What the build writes into a chapter's prose: the numbers of exercises, links to them, minutes and points.

    ### [](#conv2d) The layer ●●●○○ 30 min    ### Exercise 1.4 · The layer ●●●○○ 30 min
    ## [](#dying_units) Units that never wake   ## Units that never wake
    as in [](#conv2d)                           as in [Exercise 1.4](#conv2d)
    see [](#dying_units)                        see [Units that never wake](#dying_units)
    {minutes} {points} {exercises} {hours}      165 100 8 4
    {minutes conv2d unfold}                     60
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from convcraft.exam import Exercise, asked
from convcraft.language import _

_HEADING = re.compile(r"^(#{2,6}) \[\]\(#(\w+)\) (.+)$", re.MULTILINE)
_POINTER = re.compile(r"(?<!!)\[([^\]]*)\]\(#(\w+)\)")
_SUM = re.compile(r"\{(minutes|points|exercises|hours)((?:\s+\w+)*)\}")
_MINUTES = re.compile(r" (\d+) min$")
_EFFORT = re.compile(r" [●○]+.*$")


@dataclass(frozen=True)
class Facts:
    """What the prose of one chapter may name.

    Attributes:
        chapter: its number.
        titles: what its named headings say, by name.
        minutes: of its exercises, by name, as their headings say.
        elsewhere: the numbers of the other chapters' exercises, by name.
        with_reading: the minutes that the whole chapter takes.
    """

    chapter: int
    exercises: dict[str, Exercise]
    titles: dict[str, str]
    minutes: dict[str, int]
    elsewhere: dict[str, str]
    with_reading: int

    def number(self, name: str) -> str:
        """Of one of its exercises, as `5.2`."""
        return f"{self.chapter}.{list(self.exercises).index(name) + 1}"


def facts(folder: Path, exercises: dict[str, Exercise], prose: Iterable[str], with_reading: int) -> Facts:
    """What the chapter in `folder` may name; `prose` are its markdown cells."""
    titles, minutes = {}, {}
    for _level, name, title in (found for text in prose for found in _HEADING.findall(text)):
        titles[name] = _EFFORT.sub("", title)
        if name in exercises and (found := _MINUTES.search(title)):
            minutes[name] = int(found[1])
    elsewhere = {name: f"{chapter_number(exams.parent)}.{number}" for exams in folder.parent.glob("*/exams")
                 if exams.parent != folder for number, name in enumerate(asked(exams), 1)}
    return Facts(chapter_number(folder), exercises, titles, minutes, elsewhere, with_reading)


def chapter_number(folder: Path) -> int:
    """5 for `05_resnet`."""
    return int(folder.name.partition("_")[0])


def written(text: str, known: Facts) -> str:
    """The prose as readers get it.

    Raises:
        ValueError: it names what is not there.
    """
    text = _HEADING.sub(lambda found: _heading(found[1], found[2], found[3], known), text)
    text = _POINTER.sub(lambda found: _pointer(found[1], found[2], known), text)
    return _SUM.sub(lambda found: _sum(found[1], found[2].split(), known), text)


def _heading(level: str, name: str, title: str, known: Facts) -> str:
    title = _MINUTES.sub(lambda found: " " + _("{minutes} min").format(minutes=found[1]), title)
    number = f"{_exercise(known.number(name))} · " if name in known.exercises else ""
    return f'{level} <a id="{name}"></a>{number}{title}'


def _exercise(number: str) -> str:
    return _("Exercise {number}").format(number=number)


def _pointer(text: str, name: str, known: Facts) -> str:
    if name in known.elsewhere:
        return text or _exercise(known.elsewhere[name])  # no link: a released chapter's folder stands alone
    if name not in known.titles:
        raise ValueError(f"[{text}](#{name}) leads nowhere; name an exercise, or a heading of this chapter that "
                         f"begins with [](#{name})")
    if not text:
        text = _exercise(known.number(name)) if name in known.exercises else known.titles[name]
    return f"[{text}](#{name})"


def _sum(what: str, names: list[str], known: Facts) -> str:
    unknown = [name for name in names if name not in known.exercises]
    if unknown:
        raise ValueError(f"{{{what} {' '.join(names)}}}: {unknown[0]!r} is no exercise of this chapter; mend the name")
    chosen = names or list(known.exercises)
    untimed = [name for name in chosen if name not in known.minutes]
    if what == "minutes" and untimed:
        raise ValueError(f"how long does {untimed[0]} take? End its heading with the minutes: "
                         f"### [](#{untimed[0]}) A title ●●○○○ 15 min")
    match what:
        case "minutes":
            return str(sum(known.minutes[name] for name in chosen))
        case "points":
            return str(sum(known.exercises[name].points for name in chosen))
        case "exercises":
            return str(len(chosen))
    halves = round(known.with_reading / 30)
    return f"{halves // 2 or ''}{'½' if halves % 2 else ''}"
