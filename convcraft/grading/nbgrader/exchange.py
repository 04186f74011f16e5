"""The teacher's side of nbgrader's exchange, where everybody can put anything.

`nbgrader_config.py` names these in place of nbgrader's own, for its commands and the formgrader:

    c.ExchangeFactory.collect = Collect
    c.ExchangeFactory.list = ListSubmissions
    c.ExchangeFactory.release_feedback = ReleaseFeedback
"""

import fnmatch
import glob
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect, ExchangeList, ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash

from convcraft.grading import swap
from convcraft.grading.errors import GradingError
from convcraft.grading.foreign_files import Bounds, take
from convcraft.grading.lock import only_grader
from convcraft.grading.nbgrader import notes
from convcraft.grading.nbgrader.release import released_notebooks
from convcraft.grading.nbgrader.students import NOT_A_NAME, is_name
from convcraft.grading.notebook.submitted import shown
from convcraft.language import N_, _
from convcraft.layout import replace_file

_HANDED_IN = re.compile(r"(?P<student>[^+]+)\+(?P<assignment>[^+]+)\+(?P<time>[^+]+)(?:\+[A-Za-z0-9_=-]{1,64})?")

_MAX_NAMED = 100

NO_SUBMISSION = N_("{name}: nothing that nbgrader hands in is called so; left out.")
MORE = N_("{count} more entries of the exchange are no submissions; left out.")
NO_TIME = N_("{name}: {time} is no time; left out.")
NO_FOLDER = N_("{name} is no folder; left out.")
NOT_HIS = N_("{name} says that it is {student}'s and belongs to {owner}: a cheating attempt? Left out.")
OF_SUBMISSION = "{student}, {assignment}: {sentence}"
OTHER_TIME = N_("timestamp.txt says another time than the exchange; {time} counts.")
NO_SECRET = N_("submission_secret.txt is missing or none of nbgrader's; {student} cannot fetch this feedback.")
NOT_COLLECTED = N_("{student}, {assignment}: not collected: {reason}")
NOT_RELEASED = N_("{student}: {name} was not released: its submission has no secret that would keep it from others.")


class Collect(ExchangeCollect):  # type: ignore[misc]
    """Collects what students have handed in: regular files of their owner, by somebody who may read no more than he.

    What is odd is named in the log and left out, and stops nobody else's.
    """

    src_records: list[dict[str, Any]]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        """What nbgrader chooses from; without a name for what is no submission."""
        name = os.path.basename(path)
        student, time, why = _handed_in(path, self.coursedir.assignment_id, check_owner=self.check_owner)
        if why:
            self._odd[name] = why
        return {"username": student, "filename": name, "timestamp": time or datetime.min}

    def init_src(self) -> None:
        """Choose each student's submission, and name what is none."""
        self._odd: dict[str, str] = {}
        super().init_src()
        self.src_records = [record for record in self.src_records if record["username"]]
        everybody = self.coursedir.student_id == "*"  # nbgrader looks at names alone that begin as it expects
        for name in os.listdir(self.inbound_path) if everybody else ():
            if name.startswith(".") or not _HANDED_IN.fullmatch(name):
                self._odd.setdefault(name, _(NO_SUBMISSION).format(name=shown(name)))
        for why in sorted(self._odd.values())[:_MAX_NAMED]:
            self.log.warning(why)
        if len(self._odd) > _MAX_NAMED:
            self.log.warning(_(MORE).format(count=len(self._odd) - _MAX_NAMED))

    def copy_files(self) -> None:
        """Collect them.

        Raises:
            ExchangeError: the course's folder is being graded, or cannot be written.
        """
        self.log.info("Processing %d submissions of '%s' for course '%s'", len(self.src_records),
                      self.coursedir.assignment_id, self.coursedir.course_id)
        with _locked(Path(self.coursedir.root)):
            for record in self.src_records:
                student, assignment = record["username"], self.coursedir.assignment_id
                target = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
                if self._wanted(target, record["timestamp"]):
                    self._collect(record, target)
                else:
                    self.log.info("No newer submission to collect: %s %s", student, assignment)

    def _wanted(self, target: Path, time: datetime) -> bool:
        if not target.is_dir():
            return True
        old = notes.timestamp(target)
        return bool(self.update and (old is None or time > old)) or bool(self.before_duedate and old != time)

    def _collect(self, record: dict[str, Any], target: Path) -> None:
        student, assignment = record["username"], self.coursedir.assignment_id
        folder = Path(self.inbound_path, record["filename"])
        released = [path.name for path in released_notebooks(self.coursedir).get(assignment, ())]
        bounds = Bounds(file=min(Bounds.file, 1000 * self.coursedir.max_file_size),
                        total=min(Bounds.total, 1000 * self.coursedir.max_dir_size))
        try:
            found = take(folder, os.lstat(folder).st_uid, first=(*released, notes.TIME, notes.SECRET),
                         ignored=self._ignored, bounds=bounds)
            said = list(found.left_out)
            if found.whole and found.files:
                said += _renew_notes(found.files, record["timestamp"], student)
                swap.put(found.files, target, shared=self.coursedir.groupshared)
                self.log.info("Collecting submission: %s %s", student, assignment)
            else:
                said.append(_("nothing in it can be collected."))
        except OSError as error:  # it was withdrawn meanwhile, or the disk is full: the others have theirs
            said = [_(NOT_COLLECTED).format(student=student, assignment=assignment, reason=error)]
        for sentence in said:
            self.log.warning(_(OF_SUBMISSION).format(student=student, assignment=assignment, sentence=sentence))

    def _ignored(self, name: str) -> bool:
        included = not self.coursedir.include or any(fnmatch.fnmatch(name, each) for each in self.coursedir.include)
        return not included or any(fnmatch.fnmatch(name, each) for each in self.coursedir.ignore)


class ListSubmissions(ExchangeList):  # type: ignore[misc]
    """Lists what is in the exchange; of what was handed in only what can be collected."""

    assignments: list[str]

    def init_dest(self) -> None:
        """Choose what is listed."""
        super().init_dest()
        if self.inbound:
            self.assignments = [path for path in self.assignments if _handed_in(path, "", check_owner=False)[0]]


class ReleaseFeedback(ExchangeReleaseFeedback):  # type: ignore[misc]
    """Releases pages made from released notebooks, and no other file that lies beside them."""

    def copy_files(self) -> None:
        """Copy each page to where its student alone finds it."""
        assignment = self.coursedir.assignment_id
        names = {path.stem for path in released_notebooks(self.coursedir).get(assignment, ())}
        excluded = set(self.coursedir.student_id_exclude.split(","))
        for folder in map(Path, sorted(glob.glob(self.src_path))):
            student = folder.parent.name
            if student in excluded or not is_name(student):
                continue
            secret = notes.secret(folder)
            for page in sorted(folder.glob("*.html")):
                if page.stem not in names or page.is_symlink() or not page.is_file():
                    self.log.warning(_("{student}: {name} is no feedback; left out.").format(
                        student=student, name=shown(page.name)))
                elif not secret:
                    self.log.warning(_(NOT_RELEASED).format(student=student, name=page.name))
                else:
                    self._release(page, notebook_hash(secret=secret, notebook_id=page.stem))
                    self.log.info("Releasing feedback for student '%s' on assignment '%s/%s/%s'", student,
                                  self.coursedir.course_id, assignment, page.stem)

    def _release(self, page: Path, key: str) -> None:
        mode = stat.S_IMODE(page.stat().st_mode)
        replace_file(Path(self.dest_path, f"{key}.html"), page.read_bytes(), mode)


def _handed_in(path: str, assignment: str, *, check_owner: bool) -> tuple[str, datetime | None, str]:
    """Whose submission a folder in the exchange is, and of when; no name, and why, where it is none."""
    name = shown(os.path.basename(path))
    found = _HANDED_IN.fullmatch(os.path.basename(path))
    if found is None or (assignment and found["assignment"] != assignment):
        return "", None, _(NO_SUBMISSION).format(name=name)
    student, time = found["student"], notes.parsed(found["time"])
    if not is_name(student):
        return "", None, _(NOT_A_NAME).format(name=shown(student))
    if time is None:
        return "", None, _(NO_TIME).format(name=name, time=shown(found["time"]))
    try:
        facts = os.lstat(path)
    except OSError:
        return "", None, _(NO_FOLDER).format(name=name)
    if not stat.S_ISDIR(facts.st_mode):
        return "", None, _(NO_FOLDER).format(name=name)
    if check_owner and _user(facts.st_uid) != student:
        return "", None, _(NOT_HIS).format(name=name, student=student, owner=_user(facts.st_uid) or _("nobody known"))
    return student, time, ""


def _user(number: int) -> str:
    import pwd  # Windows has none, and no exchange

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return ""


def _renew_notes(files: dict[str, bytes], time: datetime, student: str) -> list[str]:
    """Make the two notes what everything that reads them expects; a sentence where they were not."""
    said = []
    handed_in = notes.parsed(files.get(notes.TIME, b"")[:101].decode("ascii", "replace"))
    if handed_in != time:
        said.append(_(OTHER_TIME).format(time=notes.written(time)))
    files[notes.TIME] = notes.written(time).encode()
    if not notes.is_secret(files.get(notes.SECRET, b"")):
        said.append(_(NO_SECRET).format(student=student))
        files[notes.SECRET] = secrets.token_hex(64).encode()
    return said


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Nobody grades meanwhile.

    Raises:
        ExchangeError: somebody does.
    """
    try:
        with only_grader(root, patience=10):
            yield
    except GradingError as error:
        raise ExchangeError(str(error)) from error
