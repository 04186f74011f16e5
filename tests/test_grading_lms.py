"""What Canvas and Moodle export comes to its students' folders, and their marks go back; nothing is graded here."""

import csv
import stat
import zipfile
from pathlib import Path

import grading_course as toy
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from nbgrader.apps.zipcollectapp import ZipCollectApp
from nbgrader.coursedir import CourseDirectory

from convcraft.commands import main
from convcraft.grading import lms
from convcraft.grading.nbgrader.guard import guard
from convcraft.grading.nbgrader.notes import timestamp
from convcraft.layout import course_config

pytestmark = pytest.mark.xdist_group("odd")
_MAP = "student,id,name\nada,11,Ada Lovelace\nben,12,Ben Béla\n"


@pytest.fixture
def course(toy_root, tmp_path) -> Path:
    root = toy.copied(toy_root, tmp_path / "course")
    (root / "map.csv").write_text(_MAP)
    return root


def _zip(course: Path, *entries: tuple[str, bytes], times: tuple = (2030, 1, 2, 10, 20, 30)) -> Path:
    path = course / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name, times), data)
    return path


def _collect(course: Path, *options: str):
    return CliRunner().invoke(main, ["collect", str(course / "export.zip"), "--course", str(course), "--assignment",
                                     "01_toy", "--map", str(course / "map.csv"), *options])


@pytest.mark.parametrize("names", [
    ("lovelaceada_11_901_toy.ipynb", "belaben_LATE_12_902_toy-1.ipynb"),
    ("Ada Lovelace_11_assignsubmission_file_/toy.ipynb", "Ben Béla_12_assignsubmission_file_/toy.ipynb"),
    ("Ada Lovelace_11_assignsubmission_file_toy.ipynb", "Ben Béla_12_assignsubmission_file_toy.ipynb")])
def test_canvas_and_moodle_zips_are_collected_with_their_times(names, course):
    _zip(course, (names[0], b"1"), (names[1], b"2"))
    result = _collect(course)
    assert result.exit_code == 0, result.output
    assert (course / "submitted/ada/01_toy/toy.ipynb").read_bytes() == b"1"
    assert (course / "submitted/ben/01_toy/toy.ipynb").read_bytes() == b"2"
    assert str(timestamp(course / "submitted/ada/01_toy")) == "2030-01-02 10:20:30"


def test_a_zip_is_of_the_time_zone_that_one_says(course):
    _zip(course, ("lovelaceada_11_901_toy.ipynb", b"1"))
    assert _collect(course, "--timezone", "Europe/Rome").exit_code == 0
    assert str(timestamp(course / "submitted/ada/01_toy")) == "2030-01-02 09:20:30"


def test_a_newer_zip_replaces_and_an_older_one_does_not(course):
    for year, data in ((2030, b"1"), (2031, b"2"), (2029, b"3")):
        _zip(course, ("lovelaceada_11_901_toy.ipynb", data), times=(year, 1, 1, 0, 0, 0))
        result = _collect(course)
    assert result.exit_code == 3 and "what ada has handed in already is as new" in result.output
    assert (course / "submitted/ada/01_toy/toy.ipynb").read_bytes() == b"2"


def test_what_cannot_be_placed_is_named_and_nothing_leaves_submitted(course):
    _zip(course, ("readme.txt", b""), ("stranger_99_903_toy.ipynb", b""), ("lovelaceada_11_901_toy.ipynb", b"1"),
         ("Ada Lovelace_11_assignsubmission_file_/../../../../outside.ipynb", b"x"))
    result = _collect(course)
    assert result.exit_code == 3
    assert "readme.txt: its name is neither Canvas's nor Moodle's" in result.output
    assert "the map knows nobody called stranger with the number 99" in result.output
    assert list(course.parent.glob("**/outside.ipynb")) == [course / "submitted/ada/01_toy/outside.ipynb"]


def test_a_link_in_a_zip_is_left_out(course):
    with zipfile.ZipFile(course / "export.zip", "w") as archive:
        entry = zipfile.ZipInfo("lovelaceada_11_901_toy.ipynb")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    result = _collect(course)
    assert result.exit_code == 3 and "is a link" in result.output
    assert not (course / "submitted/ada").exists()


@pytest.mark.parametrize("name", [
    "/etc/Ada Lovelace_11_assignsubmission_file_/toy.ipynb", "../../Ada Lovelace_11_assignsubmission_file_toy.ipynb",
    "C:\\x\\Ada Lovelace_11_assignsubmission_file_/toy.ipynb", "zipped again/lovelaceada_11_901_toy.ipynb",
    "Ada Lovelace_11_assignsubmission_file_/deeper/and/deeper/toy.ipynb", "//lovelaceada_11_901_toy.ipynb"])
def test_wherever_an_entry_says_that_it_lies_it_comes_to_its_student(name, course):
    before = set(course.parent.rglob("*"))
    _zip(course, (name, b"1"))
    _collect(course)
    files = {path for path in set(course.parent.rglob("*")) - before if path.is_file()}
    assert {path.parent for path in files if path.parent != course} == {course / "submitted/ada/01_toy"}
    assert (course / "submitted/ada/01_toy/toy.ipynb").read_bytes() == b"1"


@pytest.mark.parametrize("file", ["..", ".", "a\nb.ipynb", "x" * 300 + ".ipynb", "a\u202eb.ipynb", "\x1b[31m.ipynb"])
def test_a_name_that_no_file_should_have_is_left_out(file, course):
    _zip(course, (f"Ada Lovelace_11_assignsubmission_file_/{file}", b"1"))
    result = _collect(course)
    assert result.exit_code == 3 and not (course / "submitted/ada").exists()
    assert "\x1b" not in result.output and "\u202e" not in result.output


@pytest.mark.parametrize("claims", [None, 1000])
def test_a_bomb_does_not_go_off(claims, course, monkeypatch):
    """Zeros, a thousand times as many as the zip has bytes; then one that claims to hold few."""
    monkeypatch.setattr(lms, "MAX_BYTES", 2**20)
    with zipfile.ZipFile(course / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lovelaceada_11_901_toy.ipynb", bytes(2**23))
        archive.writestr("belaben_12_902_toy.ipynb", b"2")
    if claims:
        data = (course / "export.zip").read_bytes()
        (course / "export.zip").write_bytes(data.replace((2**23).to_bytes(4, "little"), claims.to_bytes(4, "little")))
    result = _collect(course)
    assert result.exit_code == 3 and "lovelaceada_11_901_toy.ipynb" in result.output
    assert not (course / "submitted/ada").exists() and (course / "submitted/ben").exists()


def test_more_entries_than_a_class_has_are_named(course, monkeypatch):
    monkeypatch.setattr(lms, "_MAX_ENTRIES", 1)
    _zip(course, ("lovelaceada_11_901_toy.ipynb", b"1"), ("belaben_12_902_toy.ipynb", b"2"))
    result = _collect(course)
    assert result.exit_code == 3 and "The zip has 2 entries; what comes after the first 1 is left out." in result.output


@pytest.mark.parametrize(("first", "second"), [((2030, "toy.ipynb", b"1"), (2031, "toy.ipynb", b"2")),
                                               ((2031, "toy.ipynb", b"2"), (2030, "toy.ipynb", b"1")),
                                               ((2030, "toy-2.ipynb", b"2"), (2030, "toy-1.ipynb", b"1"))])
def test_of_two_files_of_one_name_the_newest_counts_and_the_other_is_named(first, second, course):
    with zipfile.ZipFile(course / "export.zip", "w") as archive:
        for number, (year, name, data) in enumerate((first, second)):
            archive.writestr(zipfile.ZipInfo(f"lovelaceada_11_90{number}_{name}", (year, 1, 1, 0, 0, 0)), data)
    result = _collect(course)
    assert result.exit_code == 3 and "ada has handed in toy.ipynb more than once" in result.output
    assert (course / "submitted/ada/01_toy/toy.ipynb").read_bytes() == b"2"


def test_two_of_one_name_are_not_taken_for_each_other(course):
    (course / "map.csv").write_text("student,id,name\nben,,Ben Béla\nbela,,BenBéla\n")
    _zip(course, ("belaben_12_902_toy.ipynb", b"2"), ("Ben Béla_12_assignsubmission_file_/toy.ipynb", b"2"))
    result = _collect(course)
    assert result.exit_code == 3 and "the map has several called Ben Béla" in result.output
    assert not (course / "submitted/ben").exists()


@pytest.mark.parametrize("written", ["Ben Béla", "Ben Be\u0301la"])
@pytest.mark.parametrize("said", [True, False])
def test_a_name_is_known_however_it_is_encoded(written, said, course):
    (course / "map.csv").write_text("student,id,name\nben,,Ben Béla\n")
    path = _zip(course, (f"{written}_12_assignsubmission_file_/toy.ipynb", b"2"))
    if not said:  # that it is UTF-8: as many programs write it
        data = path.read_bytes()
        for sign, place in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
            at = data.index(sign) + place
            data = data[:at] + bytes([data[at] & ~0x08]) + data[at + 1:]
        path.write_bytes(data)
    result = _collect(course)
    assert result.exit_code == 0, result.output
    assert (course / "submitted/ben/01_toy/toy.ipynb").exists()


def test_a_name_in_the_old_encoding_is_known(course):
    (course / "map.csv").write_text("student,id,name\nben,,Ben Béla\n")
    path = _zip(course, ("Ben B#la_12_assignsubmission_file_/toy.ipynb", b"2"))
    path.write_bytes(path.read_bytes().replace(b"#", "é".encode("cp437")))
    result = _collect(course)
    assert result.exit_code == 0, result.output
    assert (course / "submitted/ben/01_toy/toy.ipynb").exists()


def test_what_a_mac_puts_into_a_zip_is_nobodys(course):
    _zip(course, ("lovelaceada_11_901_toy.ipynb", b"1"), ("__MACOSX/._lovelaceada_11_901_toy.ipynb", b"x"),
         ("__MACOSX/Ada Lovelace_11_assignsubmission_file_/._toy.ipynb", b"x"), (".DS_Store", b"x"))
    result = _collect(course)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (course / "submitted/ada/01_toy").iterdir()} == {"toy.ipynb", "timestamp.txt"}


def test_nbgraders_own_command_for_zips_is_refused(course):
    """It would write wherever a plugin's pattern says, and unpack archives in archives without end."""
    guard()
    archive = course / "downloaded/01_toy/archive"
    archive.mkdir(parents=True)
    _zip(course, ("toy.ipynb", b"1")).rename(archive / "all.zip")
    app = ZipCollectApp(config=course_config(course))
    app.coursedir = CourseDirectory(config=course_config(course))
    app.coursedir.assignment_id = "01_toy"
    with pytest.raises(SystemExit) as end:
        app.start()
    assert end.value.code == 1 and not (course / "downloaded/01_toy/extracted").exists()


def test_a_map_may_not_name_what_is_no_student(course):
    (course / "map.csv").write_text("student,id\n../ada,11\n")
    _zip(course, ("lovelaceada_11_901_toy.ipynb", b"1"))
    result = _collect(course)
    assert result.exit_code == 3 and "../ada is no name for a student here" in result.output


@pytest.mark.parametrize(("change", "words"), [
    (lambda course: (course / "export.zip").write_bytes(b"PK"), "is no zip file, or is damaged"),
    (lambda course: (course / "map.csv").write_text("who\nada\n"), "a map needs the column student"),
])
def test_what_cannot_be_read_is_told_so(change, words, course):
    _zip(course)
    change(course)
    result = _collect(course)
    assert result.exit_code == 1 and words in result.output


@pytest.fixture
def marked(course) -> Path:
    """ada has 40 of 100 points, and somebody has marks whom the map does not know."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for student in ("ada", "zoe"):
            gradebook.add_student(student)
            gradebook.add_submission("01_toy", student)
            gradebook.find_grade("toy_relu_exam", "toy", "01_toy", student).auto_score = 40
        gradebook.db.commit()
    return course


def _marks(course: Path, system: str) -> tuple[int, str, list[list[str]]]:
    files = ["--map", str(course / "map.csv"), "--output", str(course / "marks.csv")]
    result = CliRunner().invoke(main, ["marks", "--for", system, "--course", str(course), *files])
    with open(course / "marks.csv", newline="") as file:
        return result.exit_code, result.output, list(csv.reader(file))


def test_canvas_takes_the_marks_back(marked):
    status, output, rows = _marks(marked, "canvas")
    assert status == 3 and "zoe has marks and is not in the map" in output
    assert rows == [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "01_toy"],
                    ["    Points Possible", "", "", "", "", "100"],
                    ["Ada Lovelace", "11", "", "ada", "", "40"], ["Ben Béla", "12", "", "ben", "", ""]]
    assert (marked / "marks.csv").stat().st_mode & 0o077 == 0


def test_moodle_takes_the_marks_back(marked):
    assert _marks(marked, "moodle")[2] == [
        ["Identifier", "Full name", "Maximum Grade", "Grade"], ["Participant 11", "Ada Lovelace", "100", "40"],
        ["Participant 12", "Ben Béla", "100", ""]]


@pytest.mark.parametrize(("text", "known"), [
    ("2030-01-01 10:00:00.0 UTC", True), ("2030-01-01 10:00:00.123456 UTC\n", True), ("2030-01-01 10:00:00", True),
    ("2030-01-01 10:00:00 +0100", True), ("99999999999999999999999999999h", False),
    ("2025-01-01 00:00:00 ../../../x", False), ("2030-01-01 10:00:00" + " " * 200 + "UTC", False), ("tomorrow", False),
    ("2030-13-01 10:00:00 UTC", False)])
def test_a_time_has_one_format(text, known, tmp_path):
    (tmp_path / "timestamp.txt").write_text(text)
    assert (timestamp(tmp_path) is not None) == known


def test_the_time_of_a_sparse_file_or_a_link_is_none(tmp_path):
    with open(tmp_path / "timestamp.txt", "wb") as file:
        file.truncate(3 * 2**30)
    assert timestamp(tmp_path) is None
    (tmp_path / "timestamp.txt").unlink()
    (tmp_path / "real.txt").write_text("2030-01-01 10:00:00.0 UTC")
    (tmp_path / "timestamp.txt").symlink_to("real.txt")
    assert timestamp(tmp_path) is None
