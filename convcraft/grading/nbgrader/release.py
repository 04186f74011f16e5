"""What a course has released, in each language."""

from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from convcraft.grading.notebook.released import released_notebook
from convcraft.language import LANGUAGES
from convcraft.layout import RELEASED, released
from convcraft.place import source_of


def released_notebooks(coursedir: CourseDirectory) -> dict[str, list[Path]]:
    """The released notebooks of each assignment: the class's own, and those of the installed course."""
    own = Path(coursedir.root, coursedir.release_directory)
    course = source_of(Path(coursedir.root)).parent / RELEASED
    found: dict[str, list[Path]] = {}
    for path in sorted({path.relative_to(folder): path for folder in (course, own)
                        for path in folder.glob("*/*.ipynb")}.values(), key=lambda path: path.parts[-2:]):
        found.setdefault(path.parent.name, []).append(path)
    return found


def translations(coursedir: CourseDirectory, path: Path) -> tuple[Path, ...]:
    """The same notebook as the one at `path` in other languages, as the class, or the installed course, has it.

    A class releases one language, and students may hand in another one.
    """
    course, within = source_of(Path(coursedir.root)).parent, Path(path.parent.name, path.name)
    own = Path(coursedir.root, coursedir.release_directory, within)
    language = released_notebook(path).language
    found = {each: course / released(each) / within for each in LANGUAGES if each != language}
    if own != path and own.is_file():
        found[released_notebook(own).language] = own
    return tuple(other for each, other in found.items() if each != language and other.is_file())
