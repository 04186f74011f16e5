"""A course of one chapter in two languages, published at an address, with a gallery of mistakes and an explorer."""

import json
import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from convcraft.author.source import METADATA
from convcraft.commands import ROOT

SITE = "https://someone.github.io/course/"
PROSE = {"en": ("# 1 · Convolution", "The transposed convolution stands here.", "Exercise 1.1 · The layer", "30 min"),
         "zh": ("# 1 · 卷积", "这里讲转置卷积和通道。", "练习 1.1 · 卷积层", "30 分钟")}
STUB = "def conv2d(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
ANSWER = "def conv2d(x):\n    return x.sum()"
README = """# Course

| chapter | you build | minutes | with reading | points |
| --- | --- | --: | --: | --: |
| 1 Convolution | windows | 30 | 60 | 100 |

How to [teach](docs/teaching.md#kept). In [English](README.md), in [Chinese](README.zh.md).
"""
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "0", "version_major": 2, "version_minor": 0},
          "text/plain": "VBox()"}


def write(root: Path) -> Path:
    """The course, in the folder `root`."""
    shutil.copytree(ROOT / "site", root / "site", ignore=shutil.ignore_patterns("0*", "__pycache__"))
    (root / "source/01_convolution/exams").mkdir(parents=True)
    (root / "assets/readme").mkdir(parents=True)
    (root / "assets/01_convolution").mkdir()
    shutil.copy(ROOT / "assets/readme/diagnosis.png", root / "assets/readme")
    Image.new("RGB", (90, 30), "purple").save(root / "assets/01_convolution/window.webp")
    (root / "pyproject.toml").write_text('[tool.convcraft]\nrepository = "https://github.com/someone/course"\n'
                                         f'site = "{SITE.rstrip("/")}"\n')
    for language in PROSE:
        _language(root, language)
    return root


def _language(root: Path, language: str) -> None:
    inner = "" if language == "en" else f"{language}/"
    (root / f"README{'' if language == 'en' else '.zh'}.md").write_text(README, encoding="utf-8")
    for name in ("docs/teaching", "docs/authoring"):  # the front page leads there
        if language == "en":
            (root / name).parent.mkdir(exist_ok=True)
            (root / f"{name}.md").write_text(f"# {name}\n\n## Kept\n\nWhat is [kept](../pyproject.toml).\n")
    _notebook(root / f"solutions/{inner}01_convolution.ipynb", language, ANSWER)
    _notebook(root / f"notebooks/{language}/01_convolution/convolution.ipynb", language, STUB)
    data = root / f"site/{language}/01_convolution"
    data.mkdir(parents=True)
    for number in (1, 2, 3):
        Image.new("RGB", (60, 40), (60 * number, 0, 90)).save(data / f"frame-{number}.webp")
    (data / "gallery.json").write_text(json.dumps({"conv2d": [
        {"name": "sums", "sentence": "It sums `x` & <more>.", "failed": ["values", "border"], "passed": 1,
         "points": "5 of 10", "code": "def conv2d(x):\n    return x.sum() + 1", "picture": "frame-1.webp",
         "alt": "Three pictures."}]}))
    (data / "frames.json").write_text(json.dumps({"explorer": {"controls": ["kernel"], "frames": [
        {"values": {"kernel": number}, "label": f"kernel {number}", "picture": f"frame-{number}.webp",
         "alt": f"The kernel {number}."} for number in (1, 2, 3)]}}))


def _notebook(path: Path, language: str, answer: str) -> None:
    title, told, exercise, time = PROSE[language]
    up = "../" * (len(path.relative_to(path.parents[1 if language == "en" else 2]).parts) - 1)
    cells = [
        new_markdown_cell(f"{title}\n\n![A purple window.]({up}assets/01_convolution/window.webp)\n\n{told} $x^2$",
                          id="first"),
        new_code_cell("explore()", id="explorer", outputs=[
            new_output("display_data", WIDGET),
            new_output("display_data", {"text/html": "<details><summary>The first</summary>x</details>"})]),
        new_markdown_cell(f'## <a id="conv2d"></a>{exercise} ●●●○○ {time}\n\n<details><summary>Hint</summary>\n\nOne '
                          "`sum`.\n\n</details>", id="task"),
        new_code_cell(answer, id="conv2d", metadata={"nbgrader": {"grade_id": "conv2d", "solution": True}}),
        new_code_cell("examine()", id="conv2d_exam", metadata={"nbgrader": {
            "grade_id": "conv2d_exam", "grade": True, "points": 10}}),
    ]
    path.parent.mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells, metadata=METADATA), path)
