"""Submissions from a learning management system's zip, and marks back as the CSV that it takes.

Canvas names a file `lastfirst_[LATE_]userid_submissionid_name`, Moodle `Full Name_number_assignsubmission_file_/name`.
Who is who says a CSV of the teacher's, with the columns `student` (the course's name for him) and `id` or `name` (the
system's), or both. Without it a student is called by the system's number.
"""

import csv
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from convcraft.grading import swap
from convcraft.grading.errors import GradingError
from convcraft.grading.foreign_files import ODD_NAME, TOO_LARGE, Bounds
from convcraft.grading.lock import only_grader
from convcraft.grading.nbgrader.notes import TIME, timestamp, written
from convcraft.grading.nbgrader.release import released_notebooks
from convcraft.grading.nbgrader.students import NOT_A_NAME, is_name
from convcraft.grading.notebook.submitted import MAX_BYTES, shown
from convcraft.language import N_, _
from convcraft.layout import course_config

_NAMES = {
    "canvas": re.compile(r"(?:.*/)?(?P<name>[^_/]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>[^/]+)"),
    "moodle": re.compile(r"(?:.*/)?(?P<name>[^/]+)_(?P<id>\d+)_assignsubmission_file_?/?(?P<file>.+)"),
}
_MAX_ENTRIES = 20_000
_AGAIN = re.compile(r"-(\d{1,4})(?=\.ipynb$)")
_UTF8 = 0x800  # the flag of an entry whose name is UTF-8

NO_ZIP = N_("{zip} is no zip file, or is damaged; download it again.")
NO_NAME = N_("{file}: its name is neither Canvas's nor Moodle's; left out.")
NOBODY = N_("{file}: the map knows nobody called {name} with the number {id}; left out.")
NAMESAKES = N_("{file}: the map has several called {name}; write each one's number into it. Left out.")
TWICE = N_("{file}: {student} has handed in {name} more than once, and the newest counts; left out.")
MANY = N_("The zip has {count} entries; what comes after the first {limit} is left out.")
BAD_ID = N_("{file}: {reason} Left out; correct the map.")
NO_FILE = N_("{file} is a link, or has more than {limit} MB; left out.")
DAMAGED = N_("{file} is damaged or has a password ({reason}); left out.")
NO_MOMENT = N_("{student}: the zip says no time at which this was handed in; it counts as handed in without one.")
OLD = N_("{file}: what {student} has handed in already is as new; left out.")
NO_COLUMNS = N_("{map}: a map needs the column student, and id or name; it has {columns}.")
UNKNOWN = N_("{root}: no assignment {name!r}; there are {names}.")
NOT_MAPPED = N_("{student} has marks and is not in the map; left out.")


@dataclass(frozen=True)
class Person:
    """A line of the teacher's map."""

    student: str
    id: str = ""
    name: str = ""


@dataclass
class Collected:
    """Whose work was put into `submitted/`, and sentences about what was left out."""

    students: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_map(path: Path) -> list[Person]:
    """The teacher's map.

    Raises:
        GradingError: a column is missing.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        if "student" not in columns or not columns & {"id", "name"}:
            raise GradingError(_(NO_COLUMNS).format(map=path, columns=", ".join(rows.fieldnames or ()) or _("none")))
        return [Person(row["student"].strip(), (row.get("id") or "").strip(), (row.get("name") or "").strip())
                for row in rows if (row["student"] or "").strip()]


def collect(root: Path, archive: Path, assignment: str, people: list[Person] | None = None, *,
            timezone: tzinfo = UTC) -> Collected:
    """Put the files of a zip into `submitted/<student>/<assignment>/`, with the time at which each was handed in.

    Args:
        timezone: the zip's; its times name none.

    Raises:
        GradingError: the assignment is unknown, the zip cannot be read, or somebody grades meanwhile.
    """
    coursedir = CourseDirectory(config=course_config(root))
    names = released_notebooks(coursedir)
    if assignment not in names:
        raise GradingError(_(UNKNOWN).format(root=root, name=assignment, names=", ".join(names) or _("none")))
    result = Collected()
    files: dict[str, list[zipfile.ZipInfo]] = {}
    try:
        with zipfile.ZipFile(archive) as opened, only_grader(root, patience=10):
            if (count := len(opened.infolist())) > _MAX_ENTRIES:
                result.left_out.append(_(MANY).format(count=count, limit=_MAX_ENTRIES))
            for entry in opened.infolist()[:_MAX_ENTRIES]:
                entry.filename = _name(entry)
                if not entry.is_dir() and not _is_macs(entry) and (student := _student(entry, people, result)):
                    files.setdefault(student, []).append(entry)
            for student, entries in sorted(files.items()):
                target = Path(coursedir.format_path(coursedir.submitted_directory, student, assignment))
                _put(opened, entries, target, student, timezone, result)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise GradingError(_(NO_ZIP).format(zip=archive)) from error
    return result


def _student(entry: zipfile.ZipInfo, people: list[Person] | None, result: Collected) -> str:
    """Who handed an entry in; empty, and said why, where it is left out."""
    file = shown(entry.filename)
    found = _parsed(entry.filename)
    if found is None:
        result.left_out.append(_(NO_NAME).format(file=file))
        return ""
    if stat.S_ISLNK(entry.external_attr >> 16) or entry.file_size > MAX_BYTES:
        result.left_out.append(_(NO_FILE).format(file=file, limit=MAX_BYTES // 2**20))
        return ""
    student = found["id"]
    if people is not None:
        known = [person for person in people if person.id == found["id"]] or [
            person for person in people if not person.id and _plain(person.name) == _plain(found["name"])]
        if not known:
            result.left_out.append(_(NOBODY).format(file=file, name=shown(found["name"]), id=found["id"]))
            return ""
        if len({person.student for person in known}) > 1:
            result.left_out.append(_(NAMESAKES).format(file=file, name=shown(found["name"])))
            return ""
        student = known[0].student
    if not is_name(student):
        result.left_out.append(_(BAD_ID).format(file=file, reason=_(NOT_A_NAME).format(name=shown(student))))
        return ""
    return student


def _name(entry: zipfile.ZipInfo) -> str:
    """An entry's name; who zips on Linux or a Mac writes UTF-8 and often forgets to say so."""
    if entry.flag_bits & _UTF8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode()  # as zipfile has read it, and as it stands there
    except UnicodeError:
        return entry.filename


def _is_macs(entry: zipfile.ZipInfo) -> bool:
    """Whether it is what a Mac keeps beside a file, and nobody has handed in."""
    return entry.filename.startswith("__MACOSX/") or Path(entry.filename).name == ".DS_Store"


def _parsed(name: str) -> re.Match[str] | None:
    """The parts of an entry's name: Moodle's if it fits, for Canvas's fits nearly anything."""
    return _NAMES["moodle"].fullmatch(name) or _NAMES["canvas"].fullmatch(name)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name)).lower()  # a Mac writes é as e and an accent


def _version(entry: zipfile.ZipInfo) -> tuple[object, ...]:
    """By this the newest of a student's files is found; Canvas counts resubmissions."""
    counted = _AGAIN.search(entry.filename)
    return entry.date_time, int(counted[1]) if counted else 0


def _put(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], target: Path, student: str, timezone: tzinfo,
         result: Collected) -> None:
    handed_in = max(filter(None, (_moment(entry, timezone) for entry in entries)), default=None)
    old = timestamp(target)
    if old is not None and (handed_in is None or old >= handed_in):
        result.left_out.append(_(OLD).format(file=shown(entries[0].filename), student=student))
        return
    files = _files(archive, entries, student, result)
    if not files:
        return
    if handed_in is None:
        result.left_out.append(_(NO_MOMENT).format(student=student))
    else:
        files[TIME] = written(handed_in).encode()
    swap.put(files, target)
    result.students.append(student)


def _moment(entry: zipfile.ZipInfo, timezone: tzinfo) -> datetime | None:
    """When an entry was made, in UTC; None where its date is none."""
    try:
        return datetime(*entry.date_time, tzinfo=timezone).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _files(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], student: str,
           result: Collected) -> dict[str, bytes]:
    """What a student's entries hold, by the names that he gave them."""
    files: dict[str, bytes] = {}
    for entry in sorted(entries, key=_version, reverse=True):
        parsed, file = _parsed(entry.filename), shown(entry.filename)
        name = Path(parsed["file"]).name if parsed else ""
        name = _AGAIN.sub("", name)
        if name in ("", ".", "..") or not name.isprintable() or len(name.encode()) > 255:
            result.left_out.append(_(ODD_NAME).format(name=file))
            continue
        if name in files:
            result.left_out.append(_(TWICE).format(file=file, student=student, name=name))
            continue
        try:
            with archive.open(entry) as opened:
                data = opened.read(MAX_BYTES + 1)  # whatever size its directory claims
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            result.left_out.append(_(DAMAGED).format(file=file, reason=error))
            continue
        if len(data) + sum(map(len, files.values())) > min(Bounds.total, MAX_BYTES):
            result.left_out.append(_(TOO_LARGE).format(name=file, limit=MAX_BYTES // 2**20))
            continue
        files[name] = data
    return files


def marks(root: Path, system: str, people: list[Person], assignments: Iterable[str] = ()) -> tuple[list[list[str]],
                                                                                                   list[str]]:
    """The rows of the CSV that a system takes, and sentences about whom it leaves out.

    Args:
        system: `"canvas"` (all assignments, a column each) or `"moodle"` (one).

    Raises:
        GradingError: an assignment has no marks, or Moodle was not told which one.
    """
    coursedir = CourseDirectory(config=course_config(root))
    with Gradebook(coursedir.db_url) as gradebook:
        most = {each.name: float(each.max_score) for each in gradebook.assignments}
        scores = {(submission.student_id, each.name): float(submission.score)
                  for each in gradebook.assignments for submission in each.submissions}
    wanted = sorted(assignments) or sorted({name for _, name in scores})
    if unknown := [name for name in wanted if name not in most]:
        raise GradingError(_(UNKNOWN).format(root=root, name=unknown[0], names=", ".join(sorted(most)) or _("none")))
    if system == "moodle" and len(wanted) != 1:
        raise GradingError(_("Moodle takes the marks of one assignment at a time; name it with --assignment."))
    known = {person.student for person in people}
    left_out = [_(NOT_MAPPED).format(student=shown(student)) for student in sorted({who for who, _ in scores} - known)]

    def score(person: Person, name: str) -> str:
        value = scores.get((person.student, name))
        return "" if value is None else f"{value:g}"

    if system == "moodle":
        (name,) = wanted
        rows = [["Identifier", "Full name", "Maximum Grade", "Grade"]]
        rows += [[f"Participant {person.id}", person.name, f"{most[name]:g}", score(person, name)] for person in people]
    else:
        rows = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *wanted],
                ["    Points Possible", "", "", "", "", *(f"{most[name]:g}" for name in wanted)]]
        rows += [[person.name, person.id, "", person.student, "", *(score(person, name) for name in wanted)]
                 for person in people]
    return rows, left_out
