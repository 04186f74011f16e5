"""In which language the package speaks. English is written in the code; every other language is a gettext catalogue.

A sentence is looked up when it is shown, not when its module is imported: one process may speak several languages, as
the grader does, which answers each student in the language of what was handed in.
"""

import gettext
import locale
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter

LANGUAGES = ("en", "zh")
VARIABLE = "CONVCRAFT_LANGUAGE"
CATALOGUES = Path(__file__).parent / "locale"
DOMAIN = "convcraft"
_MOST_RETOLD = 1_000  # characters

_notebook = ""  # what this process's notebook, or command, has chosen
_using: ContextVar[str] = ContextVar("language", default="")


class UnknownLanguageError(ValueError):
    """There is no such language; the message names those that there are."""


def language(name: str) -> None:
    """Let this process speak a language from now on: what the first cell of a notebook calls.

    Args:
        name: `"en"` or `"zh"`.

    Raises:
        UnknownLanguageError: the course has no such language.
    """
    global _notebook
    _notebook = known(name)


@contextmanager
def using(name: str) -> Iterator[None]:
    """A block that speaks a language, whatever the process speaks otherwise.

    Raises:
        UnknownLanguageError: the course has no such language.
    """
    token = _using.set(known(name))
    try:
        yield
    finally:
        _using.reset(token)


def current() -> str:
    """The language in force: the block's, else the notebook's, else what `CONVCRAFT_LANGUAGE` names, else English.

    Raises:
        UnknownLanguageError: `CONVCRAFT_LANGUAGE` names none.
    """
    return _using.get() or _notebook or _of_environment() or "en"


def of_system(environment: Mapping[str, str] = os.environ) -> str:
    """The language of a command's own messages: what `CONVCRAFT_LANGUAGE` names, else the system's where the course has
    it, else English.

    Raises:
        UnknownLanguageError: `CONVCRAFT_LANGUAGE` names none.
    """
    if chosen := _of_environment(environment):
        return chosen
    names = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    wishes = next((environment[name] for name in names if environment.get(name)), "")
    if not wishes and sys.platform == "win32":
        import ctypes

        wishes = locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
    for wish in wishes.split(":"):
        if (name := wish.replace("-", "_").partition("_")[0].lower()) in LANGUAGES:
            return name
    return "en"


def known(name: str, place: str = "") -> str:
    """The name of a language, if it is one.

    Args:
        place: what named it, for the message.

    Raises:
        UnknownLanguageError: it is none.
    """
    if name not in LANGUAGES:
        raise UnknownLanguageError(f"{place}{': ' if place else ''}there is no language {name!r} here; there are "
                                   f"{', '.join(LANGUAGES)}")
    return name


def _(sentence: str) -> str:
    """A sentence in the language in force; in English where it has not been translated."""
    name = current()
    return sentence if name == "en" or not sentence else _catalogue(name).gettext(sentence)


def ngettext(one: str, several: str, count: int) -> str:
    """Of two sentences, one for a single thing and one for several, that for `count`, in the language in force."""
    name = current()
    if name == "en":
        return one if count == 1 else several
    return _catalogue(name).ngettext(one, several, count)


def N_(sentence: str) -> str:
    """The sentence itself: marks one that is looked up elsewhere, by `_`, when it is shown."""
    return sentence


def retold(text: str, *sentences: str) -> str:
    """A text that was filled in in English, where no language is known, in the language in force.

    What is observed of an answer is written in English, whoever looks at it: the same mistake reads the same.

    Args:
        sentences: what it may have been made of, their places named and without a format; of another one it stays.
    """
    if current() == "en" or len(text) > _MOST_RETOLD:
        return text
    for sentence in sentences:
        if found := _pattern(sentence).fullmatch(text):
            return _(sentence).format(**found.groupdict())
    return text


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """What fits all that may be made of a sentence."""
    pattern, seen = "", set[str]()
    for words, name, *_rest in Formatter().parse(sentence):
        pattern += re.escape(words)
        if name:
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
            seen.add(name)
    return re.compile(pattern, re.DOTALL)


@cache
def _catalogue(name: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, str(CATALOGUES), [name])


def _of_environment(environment: Mapping[str, str] = os.environ) -> str:
    name = environment.get(VARIABLE, "")
    return known(name, VARIABLE) if name else ""
