"""Where the course is, and what follows from it."""

import runpy

import pytest

from convcraft import place
from convcraft.place import COURSE


def test_a_hub_does_not_run_from_an_installed_course_which_students_could_read(monkeypatch, tmp_path):
    monkeypatch.setattr(place, "INSTALLED", tmp_path)
    with pytest.raises(SystemExit, match="students could read"):
        runpy.run_path(str(COURSE / "deploy/jupyterhub_config.py"), {"get_config": object})


def test_a_class_without_exams_of_its_own_has_the_courses(tmp_path):
    assert place.source_of(tmp_path) == COURSE / "source"
    (tmp_path / "source/01_own/exams").mkdir(parents=True)
    assert place.source_of(tmp_path) == tmp_path / "source"
