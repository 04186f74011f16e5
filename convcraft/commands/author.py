"""What authors call: build, prove, check, new, exams."""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from convcraft.commands.common import FOLDER, ROOT, STATE, console, plainly
from convcraft.language import LANGUAGES
from convcraft.layout import language_of_releases
from convcraft.place import INSTALLED

if TYPE_CHECKING:
    from convcraft.author.source import Chapter


@click.group()
def build() -> None:
    """Generate what is committed: assets, notebooks, solutions."""
    if ROOT == INSTALLED:
        raise click.ClickException("An installed course is only read; `convcraft build` works in a clone of it.")


_drafts = click.option("--drafts", is_flag=True, help="Of translations that call themselves drafts, too.")
_language = click.option("--language", type=click.Choice(LANGUAGES), help="In one language alone.")


def _editions(names: tuple[str, ...], language: str | None, *, drafts: bool) -> list["Chapter"]:
    from convcraft.author.source import SourceError, chapters

    with plainly(SourceError):
        return [edition for chapter in chapters(ROOT, names) for edition in chapter.editions(drafts=drafts)
                if language in (None, edition.language)]


def _each(editions: Iterable["Chapter"], step: Callable[["Chapter"], object], done: str) -> None:
    from convcraft.author.source import SourceError

    with plainly(SourceError):
        for chapter in editions:
            start = time.perf_counter()
            step(chapter)
            tongue = "" if chapter.language == "en" else f" in {chapter.language}"
            console.print(f"{done} {chapter.name}{tongue} ({time.perf_counter() - start:.1f} s)")


def _from_root(line: str) -> str:
    """A line for `console.print`, its paths as they are seen from the course's folder."""
    return escape(line.replace(f"{ROOT}/", ""))


@build.command("assets")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@_language
@_drafts
def build_assets(names: tuple[str, ...], language: str | None, drafts: bool) -> None:
    """Draw the figures: source/*/figures.py to assets/, those of other languages to assets/zh/."""
    from convcraft.author.assets import draw

    _each(_editions(names, language, drafts=drafts), lambda chapter: draw(chapter, chapter.assets),
          "Drew the figures of")


@build.command("font")
@click.option("--full", type=click.Path(dir_okay=False, path_type=Path), help="Noto Sans CJK, of which it is a part.")
def build_font(full: Path | None) -> None:
    """Cut the font for Chinese figures: the letters that source/*/zh.po use, to convcraft/fonts/."""
    from convcraft.author import font
    from convcraft.author.source import SourceError

    with plainly(SourceError):
        count, size = font.build(ROOT, full or font.DEBIAN)
    console.print(f"Wrote the font for Chinese figures: {count} letters, {size:,} bytes")


@build.command("notebooks")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@_language
@_drafts
def build_notebooks(names: tuple[str, ...], language: str | None, drafts: bool) -> None:
    """Write what students open: source/ to notebooks/en/, notebooks/zh/, and the numbers in README's course table."""
    from convcraft.author import readme
    from convcraft.author.notebooks import prepare, release
    from convcraft.author.source import SourceError

    found = _editions(names, language, drafts=drafts)
    with plainly(SourceError):
        release(found, ROOT)
        readme.renew(ROOT)
    for chapter in found:
        if chapter.language == "en":  # not committed: what `nbgrader generate_assignment` and the formgrader look for
            prepare(chapter.spoken(language_of_releases()), STATE)
        console.print(f"Wrote {chapter.released.relative_to(ROOT)}")


@build.command("solutions")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@_language
@_drafts
@click.option("--prose", is_flag=True, help="Take over changed prose alone; outputs stay, nothing is run.")
def build_solutions(names: tuple[str, ...], language: str | None, drafts: bool, prose: bool) -> None:
    """Run the reference solutions: source/ to solutions/, those of other languages to solutions/zh/."""
    from convcraft.author.solutions import execute, reword

    _each(_editions(names, language, drafts=drafts), reword if prose else execute,
          "Reworded the solutions of" if prose else "Ran the solutions of")


@build.command("gallery")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@_language
@_drafts
def build_gallery(names: tuple[str, ...], language: str | None, drafts: bool) -> None:
    """Examine every misconception for the site's gallery of mistakes: source/*/exams/ to site/."""
    from convcraft.author.gallery import write

    _each(_editions(names, language, drafts=drafts), write, "Wrote the gallery of")


@build.command("site")
@click.option("--folder", type=FOLDER, default=ROOT / ".site", help="Where to; its html/ holds the pages.")
def build_site(folder: Path) -> None:
    """Assemble the website from what is committed: solutions/, docs/, site/."""
    from convcraft.author.site.build import build as assemble
    from convcraft.author.site.edition import SiteError

    start = time.perf_counter()
    with plainly(SiteError):
        assemble(ROOT, folder, lambda line: console.print(_from_root(line)))
    console.print(f"The site is in {escape(str(folder / 'html'))} ({time.perf_counter() - start:.0f} s)")


@click.command()
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@click.option("--no-figures", "quickly", is_flag=True, help="Draw none: take it that they say what they said.")
def messages(names: tuple[str, ...], quickly: bool) -> None:
    """Bring source/*/zh.po and the package's catalogue up to date with what chapters and package say.

    Translations stay, changed texts become fuzzy. What cannot be used is named. With a chapter, its catalogue alone.
    """
    from convcraft.author.messages import package, state
    from convcraft.author.messages.extract import messages as said
    from convcraft.author.source import SourceError, chapters

    with plainly(SourceError):
        for chapter in chapters(ROOT, names):
            found = None if quickly else said(chapter)
            for language in package.translated_to():
                catalogue = chapter.catalogue(language)
                catalogue.renew(said(chapter, catalogue.figures) if found is None else found)
                console.print(f"{chapter.catalogue(language).counts} in {chapter.name}/{language}.po")
            for line in (*state.problems(chapter, None), *(state.other_terms(chapter) if names else ())):
                console.print(f"  {_from_root(line)}")
    for path in () if names else package.renew():
        console.print(f"{path.name} is new.")


@click.command()
@click.argument("names", nargs=-1, metavar="[EXERCISE|CHAPTER]...")
@click.option("--seed", default=0, help="Draw the inputs from another seed.")
@click.option("-v", "--verbose", is_flag=True, help="Show every answer's whole table.")
@click.option("--draws", "drawn", is_flag=True, help="Show which values each argument is ever given, and which never.")
def prove(names: tuple[str, ...], seed: int, verbose: bool, drawn: bool) -> None:
    """Who answers, gets what: solution, alternatives, misconceptions, stub; for exercises or chapters."""
    from convcraft.author import draws
    from convcraft.author import prove as held
    from convcraft.author.source import SourceError, chapters

    with plainly(SourceError):
        if drawn:
            draws.show(chapters(ROOT), names, console)
            return
        wrong = held.prove(chapters(ROOT), names, console, seed=seed, verbose=verbose)
    if wrong:
        raise click.ClickException(f"{wrong} answers got what they should not")


@click.command()
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@click.option("--strict", is_flag=True, help="Fail, too, where a translation is missing or outdated.")
def check(names: tuple[str, ...], strict: bool) -> None:
    """Fail, naming file and remedy, where what was generated is not what the source gives.

    Says how much is not translated, too; with a chapter, where it does not use the glossary's words.
    """
    from convcraft.author.check import problems
    from convcraft.author.messages import state
    from convcraft.author.source import SourceError, chapters

    with plainly(SourceError):
        known = chapters(ROOT, names)
        found = list(problems(known, ROOT))
    for chapter in known if names else ():
        for line in state.other_terms(chapter):
            console.print(f"[yellow]·[/] {_from_root(line)}")
    waiting = list(state.waiting(known))
    for line in waiting:
        console.print(f"[yellow]·[/] {_from_root(line)}")
    found += [f"catalogues that are not whole: {len(waiting)}"] if strict and waiting else []
    for problem in found:
        console.print(f"[red]✗[/] {_from_root(problem)}")
    if found:
        sys.exit(1)
    console.print("Everything that is generated is what the source gives.")


@click.command()
@click.argument("exercise")
@click.argument("chapter")
def new(exercise: str, chapter: str) -> None:
    """Write EXERCISE's four cells and its exam into CHAPTER, to be replaced, and say what comes next."""
    from convcraft.author.new import write
    from convcraft.author.source import SourceError, chapters

    with plainly(SourceError):
        (found,) = chapters(ROOT, (chapter,))
        for line in write(found, exercise):
            console.print(_from_root(line))


@click.command()
@click.argument("folder", type=FOLDER)
def exams(folder: Path) -> None:
    """Write sealed exams to FOLDER: they diagnose without any answer's code (see CONVCRAFT_EXAMS)."""
    from convcraft.exam.course import load_course
    from convcraft.exam.sealed import seal

    course = load_course(ROOT / "source")
    if not course:
        raise click.ClickException(f"{ROOT / 'source'} shows no exercises: there is nothing to seal.")
    for exercise in course.values():
        seal(exercise, folder)
    console.print(f"Sealed {len(course)} exams in {escape(str(folder))}; set CONVCRAFT_EXAMS to that folder.")
