"""The package's rooms, and which of them may know which; read from the source, nothing is imported."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "convcraft"

# A room is a folder of `convcraft/`, or a file that stands alone there. What a room may import besides itself:
ALLOWED = {
    "place": set(),
    "language": set(),
    "sentences": {"language"},
    "scores": {"language"},
    "exam": {"language", "place", "scores", "sentences"},
    "data": {"language"},
    "plots": {"language"},
    "progress": {"exam", "language", "layout", "place", "scores", "sentences"},
    "notebook": {"exam", "language", "progress"},
    "layout": {"language", "place"},
    "lab": {"language", "layout", "progress"},
    "author": {"exam", "language", "layout", "place", "plots", "progress", "scores"},
    "grading": {"sentences", "exam", "language", "layout", "notebook", "data", "place", "plots", "scores"},
    "demo": {"author", "exam", "grading", "language", "layout", "place", "scores"},
    "commands": {"author", "demo", "exam", "grading", "lab", "language", "layout", "place", "progress", "scores"},
}


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(package: Path) -> dict[str, set[str]]:
    """Module → the package's own modules that it imports, wherever in the file it does so."""
    modules = {_name(path, package): path for path in sorted(package.rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        wanted = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}:{node.lineno}: write the module's whole name"
                # `from a import b` needs a.b where that is a module, and a itself only where b is not.
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    wanted.add(full if full in modules else node.module)
        found[module] = {name for name in wanted if name in modules} - {module}
    return found


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def wrong_ways(package: Path = PACKAGE) -> list[str]:
    """Every import into a room that the importer's room may not know."""
    return [f"{module} imports {wanted}"
            for module, imported in _imports(package).items() for wanted in sorted(imported)
            if _room(module) and _room(wanted) not in {_room(module), "", *ALLOWED[_room(module)]}]


def circle(package: Path = PACKAGE) -> list[str]:
    """Modules that import each other in a ring; empty where there is none."""
    try:
        TopologicalSorter(_imports(package)).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_room_is_on_the_list():
    assert {_room(module) for module in _imports(PACKAGE)} == {"", *ALLOWED}


def test_imports_point_one_way():
    assert wrong_ways() == []


def test_no_module_imports_itself_by_a_detour():
    assert circle() == []


@pytest.fixture
def drafted(tmp_path):
    """A package with two exams that import each other, and one that imports the command."""
    for path, text in {"__init__.py": "", "commands/__init__.py": "", "exam/__init__.py": "",
                       "exam/judge.py": "from convcraft.exam import compare\n",
                       "exam/compare.py": "def late():\n    from convcraft.exam.judge import judge\n",
                       "exam/course.py": "import convcraft.commands\n"}.items():
        (tmp_path / "convcraft" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "convcraft" / path).write_text(text)
    return tmp_path / "convcraft"


def test_an_import_the_wrong_way_is_named(drafted):
    assert wrong_ways(drafted) == ["convcraft.exam.course imports convcraft.commands"]


def test_a_circle_is_named(drafted):
    assert set(circle(drafted)) == {"convcraft.exam.judge", "convcraft.exam.compare"}


def test_nbgraders_commands_start_without_pytorch():
    """Each of them, and the formgrader, reads the course's configuration."""
    run = subprocess.run([sys.executable, "-c", "import sys\nfrom convcraft.layout import course_config\n"
                          "from convcraft.place import COURSE\ncourse_config(COURSE)\nprint('torch' in sys.modules)"],
                         capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_command_is_there_before_pytorch_is():
    """`convcraft grade` starts the warm process first: that one and this one import PyTorch at the same time."""
    run = subprocess.run([sys.executable, "-c", "import sys, convcraft.commands, convcraft.grading.warm_process\n"
                          "print(sorted({'torch', 'nbgrader', 'matplotlib'} & sys.modules.keys()))"],
                         capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
