"""JupyterLab in a real browser: what a person does there, and what is looked at."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CHROMIUM, FLAGS, environment, free_port, served
from playwright.sync_api import Locator, Page, sync_playwright

TOKEN = "a-token-for-tests-alone"


@contextlib.contextmanager
def browser_page(shots: Path) -> Iterator["Lab"]:
    """A browser with an empty profile, which may talk to this machine alone; strangers that it calls are kept."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        page.set_default_timeout(30_000)
        lab = Lab(page, shots)
        try:
            yield lab
        except BaseException:
            lab.shot("failed")
            raise
        finally:
            chromium.close()


@contextlib.contextmanager
def jupyter(command: str, course: Path, home: Path, log: Path, *arguments: str) -> Iterator[str]:
    """`convcraft lab` or `convcraft teach`, served; gives its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--no-browser", f"--IdentityProvider.token={TOKEN}", "--allow-root"]
    with served([Path(environment(course, home)["PATH"].split(":")[0], "convcraft"), command, "--port", str(port),
                 *arguments, "--", *options],
                f"{url}/api?token={TOKEN}", log, env=environment(course, home), cwd=home):
        yield url


class Lab:
    """One browser page, and the screenshots that are taken of it."""

    def __init__(self, page: Page, shots: Path):
        self.page, self.shots, self.strangers, self._number = page, shots, [], 0
        shots.mkdir(parents=True, exist_ok=True)
        page.route("**/*", self._route)

    def _route(self, route) -> None:
        url = route.request.url
        if re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:", url):
            route.continue_()
        else:
            self.strangers.append(url)
            route.abort()

    def shot(self, name: str) -> None:
        self._number += 1
        self.page.screenshot(path=self.shots / f"{self._number:02d}-{name}.png")

    def open(self, url: str, path: str = "") -> None:
        """JupyterLab, with a notebook where one is named."""
        tree = f"/tree/{path}" if path else ""
        self.page.goto(f"{url}/lab{tree}?token={TOKEN}")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
        if path:
            self.notebook.locator(".jp-Cell").first.wait_for()
            self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=60_000)

    @property
    def notebook(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def command(self, name: str) -> None:
        """Run a command by its name from the palette, by keyboard alone."""
        palette = self.page.locator(".jp-ModalCommandPalette .lm-CommandPalette-input")
        chosen = self.page.locator(".jp-ModalCommandPalette .lm-CommandPalette-item.lm-mod-active")
        for _ in range(20):  # while JupyterLab is starting, it takes the focus away from its own palette
            if not palette.is_visible():
                self.page.keyboard.press("Control+Shift+C")
            self.page.wait_for_timeout(400)
            if palette.is_visible():
                self.page.keyboard.press("Control+A")
                self.page.keyboard.insert_text(name)
                self.page.wait_for_timeout(400)
                if chosen.count() and name in chosen.inner_text():
                    self.page.keyboard.press("Enter")
                    return
        pytest.fail(f"the palette offers no {name!r}")

    def cell(self, text: str) -> Locator:
        """The code cell that holds `text`, scrolled into view."""
        return self.scroll_to(self.notebook.locator(".jp-CodeCell").filter(has_text=text).first)

    def scroll_to(self, target: Locator) -> Locator:
        """JupyterLab draws only what is near the view: page down until the target is there."""
        scroller = self.notebook.locator(".jp-WindowedPanel-outer")
        scroller.evaluate("panel => panel.scrollTop = 0")
        for _ in range(400):
            self.page.wait_for_timeout(30)
            if target.count() and target.is_visible():
                target.scroll_into_view_if_needed()
                return target
            if scroller.evaluate("panel => { const before = panel.scrollTop; panel.scrollTop += 500; "
                                 "return panel.scrollTop === before }"):
                self.page.wait_for_timeout(300)
                if target.count():
                    return target
                break
        pytest.fail(f"not in the notebook: {target}")

    def type_into(self, cell: Locator, code: str) -> None:
        """Replace a cell's text by keyboard and run it, staying on it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(code)
        self.run(cell)

    def run(self, cell: Locator) -> None:
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.idle()

    def idle(self, seconds: float = 60) -> None:
        """Wait until nothing runs."""
        self.page.wait_for_timeout(200)
        self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=seconds * 1000)

    def save(self) -> None:
        self.page.keyboard.press("Control+S")
        self.page.wait_for_timeout(500)


def cells(path: Path) -> list[dict]:
    """The code cells of a saved notebook."""
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def outputs(path: Path, kind: str) -> list[dict]:
    """All saved outputs of one kind."""
    return [output for cell in cells(path) for output in cell["outputs"] if output["output_type"] == kind]
