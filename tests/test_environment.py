"""conda, Binder and `make install` give the same packages."""

import platform
import re
import tomllib
from importlib.metadata import distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from convcraft.commands import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
INSTALLED = {canonicalize_name(found.name): found for found in distributions()}


def pins():
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2].split()[0]
            for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}


def name_of(requirement):
    return re.match(r"[A-Za-z0-9_-]+", requirement)[0].lower().replace("_", "-")


def test_conda_installs_what_make_install_does():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (by_pip,) = (item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert by_pip == ["--constraint constraints.txt", "--editable ."]
    script = (ROOT / ".ci/install").read_text()
    assert "constraints=${CONSTRAINTS:-constraints.txt}" in script
    assert re.search(r'pip install .*--constraint \$constraints --editable "\$1"', script)


def test_conda_brings_a_python_that_the_project_takes():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (version,) = (item.partition("=")[2] for item in environment["dependencies"]
                  if isinstance(item, str) and item.startswith("python="))
    assert PROJECT["requires-python"] == f">={version}"


def test_conda_brings_the_pytorch_that_was_tested():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert f"pytorch-cpu={pins()['torch']}" in environment["dependencies"]


def test_every_requirement_is_pinned_at_what_was_tested():
    requirements = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"],
                    *PROJECT["optional-dependencies"]["hub"], *PROJECT["optional-dependencies"]["cluster"],
                    *PROJECT["optional-dependencies"]["zh"]]
    assert not [item for item in requirements if name_of(item) not in pins()]


def as_pinned():
    """The installed packages that are pinned, in the pinned version."""
    return {name: INSTALLED[name] for name, version in pins().items()
            if name in INSTALLED and INSTALLED[name].version.partition("+")[0] == version}


def needs(packages, python):
    """What packages require under a version of Python, and what under another one alone."""
    environment = {"python_version": python.rpartition(".")[0], "python_full_version": python, "extra": ""}
    asked = [item for found in packages for item in map(Requirement, found.requires or [])
             if "extra" not in str(item.marker)]
    here = {canonicalize_name(item.name) for item in asked if not item.marker or item.marker.evaluate(environment)}
    return here, {canonicalize_name(item.name) for item in asked} - here


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0", "3.14.0"])
def test_every_pin_installs_on_every_python_promised(python):
    """As the installed packages say themselves; `.ci/constraints` asks the registry, for wheels, too."""
    _, elsewhere = needs(INSTALLED.values(), python)
    refusing = [f"{name}=={found.version} wants Python {wanted}" for name, found in as_pinned().items()
                if name not in elsewhere
                and (wanted := found.metadata.get("Requires-Python")) and python not in SpecifierSet(wanted)]
    assert not refusing


def test_every_pin_is_installed_but_those_of_other_pythons():
    _, elsewhere = needs(INSTALLED.values(), platform.python_version())
    assert not pins().keys() - INSTALLED.keys() - elsewhere


def test_what_the_pinned_packages_need_is_pinned():
    needed, _ = needs(as_pinned().values(), platform.python_version())
    cuda = ("cuda-", "nvidia-", "triton")  # PyTorch's build with CUDA asks for versions of its own
    assert not {name for name in needed - pins().keys() if not name.startswith(cuda)}


def test_the_packages_that_the_course_is_asked_for_are_required():
    required = {name_of(item) for item in PROJECT["dependencies"]}
    assert {"torch", "jupyterlab", "nbgrader", "matplotlib", "nbval"} <= required


def test_torch_is_the_version_tested():
    assert "torch>=2.6" in PROJECT["dependencies"]  # a range: who has a PyTorch keeps it
    assert pins()["torch"] == "2.13.0"


def test_the_hubs_proxy_is_the_one_tested():
    asked = re.findall(r"npm install.*(?:\\\n.*)?(configurable-http-proxy@[\d.]+)",
                       MAKEFILE + (ROOT / "deploy/README.md").read_text())
    assert len(asked) == 2 and len(set(asked)) == 1


def test_make_lists_every_task():
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKEFILE, re.M)[1].replace("\\\n", " ").split()
    described = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M)
    assert set(described) == set(phony) - {"installed-test", "proxy", "site-tools"}


@pytest.mark.xdist_group("environment")
def test_tests_that_share_what_is_costly_are_run_by_one_process(request):
    if request.config.getoption("loadgroup", default=False):  # in a process of pytest-xdist's
        assert request.node.nodeid.endswith("@environment")
