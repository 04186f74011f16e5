"""Formulae set when the site is built: KaTeX, in one process of Node.js that is asked line by line."""

import json
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError


class Katex:
    """KaTeX at work; it starts with the first formula."""

    def __init__(self, modules: Path):
        self._modules, self._process = modules, None

    def html(self, formula: str, *, display: bool) -> str:
        """The formula as HTML, with MathML in it for those who listen.

        Raises:
            ExtensionError: KaTeX does not understand it.
        """
        if self._process is None:
            self._process = subprocess.Popen(["node", Path(__file__).with_name("katex.mjs"), self._modules],
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self._process.stdin.write(json.dumps({"formula": formula, "display": display}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ExtensionError(f"{formula}: {answer['error']}")
        return answer["html"]

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()


def setup(app):
    app.add_config_value("modules", "", "env", str)
    katex = None

    def start(app):
        nonlocal katex
        katex = Katex(Path(app.config.modules))

    def inline(writer, node):
        writer.body.append(katex.html(node.astext(), display=False))
        raise nodes.SkipNode

    def displayed(writer, node):
        writer.body.append(f'<div class="math" tabindex="0">{katex.html(node.astext(), display=True)}</div>\n')
        raise nodes.SkipNode

    app.connect("builder-inited", start)
    app.connect("build-finished", lambda app, error: katex and katex.close())
    app.add_html_math_renderer("katex", (inline, None), (displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": False}
