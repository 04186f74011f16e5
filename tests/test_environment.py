"""conda, Binder and `make install` give the same packages."""

import re
import tomllib

import yaml

from convcraft.cli import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def pins():
    return {line.partition("==")[0].lower().replace("_", "-"): line.partition("==")[2].split()[0]
            for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}


def name_of(requirement):
    return re.match(r"[A-Za-z0-9_-]+", requirement)[0].lower().replace("_", "-")


def test_conda_installs_what_make_install_does():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (by_pip,) = (item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert by_pip == ["--constraint constraints.txt", "--editable ."]
    recipe = re.search(r"^PIP := (.*)$", MAKEFILE, re.M)[1]
    assert "--constraint constraints.txt" in recipe
    assert re.search(r"installed: pyproject.toml constraints.txt.*\n\t\$\(PIP\) --editable \.\n", MAKEFILE)


def test_conda_brings_a_python_that_the_project_takes():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (version,) = (item.partition("=")[2] for item in environment["dependencies"]
                  if isinstance(item, str) and item.startswith("python="))
    assert PROJECT["requires-python"] == f">={version}"


def test_every_requirement_is_pinned_at_what_was_tested():
    requirements = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"],
                    *PROJECT["optional-dependencies"]["hub"]]
    assert not [item for item in requirements if name_of(item) not in pins()]


def test_the_packages_that_the_course_is_asked_for_are_required():
    required = {name_of(item) for item in PROJECT["dependencies"]}
    assert {"torch", "jupyterlab", "nbgrader", "matplotlib", "nbval"} <= required


def test_torch_is_the_version_tested():
    assert "torch==2.13.0" in PROJECT["dependencies"]
    assert pins()["torch"] == "2.13.0"


def test_the_hubs_proxy_is_the_one_tested():
    asked = re.findall(r"npm install.*(?:\\\n.*)?(configurable-http-proxy@[\d.]+)",
                       MAKEFILE + (ROOT / "deploy/README.md").read_text())
    assert len(asked) == 2 and len(set(asked)) == 1


def test_make_lists_every_task():
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKEFILE, re.M)[1].replace("\\\n", " ").split()
    described = re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.M)
    assert set(described) == set(phony)
