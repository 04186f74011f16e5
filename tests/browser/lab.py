"""JupyterLab in a real browser: what a person does there, and what is looked at."""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, FLAGS
from conftest import environment, free_port, served
from playwright.sync_api import Locator, Page, TimeoutError, sync_playwright

TOKEN = "a-token-for-tests-alone"
PATIENCE = 300  # seconds after which something will not happen any more, however busy the machine is


@contextlib.contextmanager
def browser_page(shots: Path) -> Iterator["Lab"]:
    """A browser with an empty profile, which may talk to this machine alone; strangers that it calls are kept."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        page.set_default_timeout(1000 * PATIENCE)
        lab = Lab(page, shots)
        try:
            yield lab
            lab.shot("at the end")
        finally:
            lab.report()
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
    print(f"the server's log ends with:\n{log.read_text(encoding='utf-8')[-3000:]}")


class Lab:
    """One browser page, and the screenshots that are taken of it."""

    def __init__(self, page: Page, shots: Path):
        self.page, self.shots, self.strangers, self._number = page, shots, [], 0
        self._told, self._begun = [], time.monotonic()
        shots.mkdir(parents=True, exist_ok=True)
        page.on("console", lambda message: self._tell(f"console: {message.text}"))
        page.on("requestfailed", lambda request: self._tell(f"failed: {request.url}"))
        page.on("crash", lambda _: self._tell("the page has crashed"))
        page.route("**/*", self._route)

    def _route(self, route) -> None:
        url = route.request.url
        if re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:|file:", url):
            route.continue_()
        else:
            self.strangers.append(url)
            route.abort()

    def _tell(self, what: str) -> None:
        self._told.append(f"{time.monotonic() - self._begun:6.1f} s {what[:300]}")

    def report(self) -> None:
        """Print what explains a failure, and pytest shows with one: what the page said, how busy the machine is."""
        print("\n".join(self._told[-60:]))
        print("load", *os.getloadavg(), "-", Path("/proc/meminfo").read_text().splitlines()[2])

    def shot(self, name: str) -> None:
        self._number += 1
        self._tell(f"picture: {name}")
        self.page.screenshot(path=self.shots / f"{self._number:02d}-{name}.png")

    def open(self, url: str, path: str = "") -> None:
        """JupyterLab, with a notebook where one is named."""
        tree = f"/tree/{path}" if path else ""
        self.page.goto(f"{url}/lab{tree}?token={TOKEN}")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        if path:
            self.notebook.locator(".jp-Cell").first.wait_for()
            self.notebook.locator(".jp-Spinner").wait_for(state="detached")
            self.idle()

    @property
    def notebook(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def command(self, name: str, opens: str = "") -> None:
        """Run a command by its name from the palette, by keyboard alone; wait for the element that it opens."""
        palette = self.page.locator(".jp-ModalCommandPalette .lm-CommandPalette-input")
        chosen = self.page.locator(".jp-ModalCommandPalette .lm-CommandPalette-item.lm-mod-active")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:  # JupyterLab, while it starts, takes the focus away from its own palette
            if not palette.is_visible():
                self.page.keyboard.press("Control+Shift+C")
            self.page.wait_for_timeout(400)
            if palette.is_visible():
                self.page.keyboard.press("Control+A")
                self.page.keyboard.insert_text(name)
                self.page.wait_for_timeout(400)
                if any(name in text for text in chosen.all_inner_texts()):  # at once: a palette may vanish while read
                    self.page.keyboard.press("Enter")
                    if not opens or self._shows(opens):
                        return
                    self.page.keyboard.press("Escape")  # the Enter went elsewhere
        pytest.fail(f"the palette offers no {name!r}")

    def _shows(self, selector: str) -> bool:
        with contextlib.suppress(TimeoutError):
            self.page.locator(selector).wait_for(timeout=10_000)
        return self.page.locator(selector).is_visible()

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
                with contextlib.suppress(TimeoutError):  # drawn anew meanwhile: look again
                    target.scroll_into_view_if_needed(timeout=5_000)
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
        self.page.keyboard.press("Control+Enter")
        self.idle()

    def run(self, cell: Locator) -> None:
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.idle()

    def idle(self) -> None:
        """Wait until nothing runs or waits to run."""
        self.page.wait_for_timeout(200)
        self.notebook.locator(".jp-InputPrompt", has_text="[*]").first.wait_for(state="detached")
        self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()

    def run_all(self, *, restart: bool = False) -> None:
        """Run the whole notebook, by keyboard, and wait until all of it has run."""
        begun = self.notebook.locator(".jp-InputPrompt", has_text="[*]").or_(
            self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="busy"]'))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:  # a command that another one's focus has swallowed is given again
            if restart:
                self.command("Restart Kernel and Run All Cells", opens=".jp-Dialog")
                self.page.keyboard.press("Enter")
            else:
                self.command("Run All Cells")
            with contextlib.suppress(TimeoutError):
                begun.first.wait_for(state="attached", timeout=30_000)  # a kernel takes seconds to start anew
                return self.idle()
        pytest.fail("nothing begins to run")

    def save(self) -> None:
        self.page.keyboard.press("Control+S")
        self.page.locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty").wait_for(state="detached")

    def find(self, text: str) -> None:
        """Put the cursor into the cell that holds `text`, by JupyterLab's own search and the keyboard alone."""
        search = self.page.locator(".jp-DocumentSearch-input")
        chosen = self.notebook.locator(".jp-Cell.jp-mod-active").filter(has_text=text)
        until = time.monotonic() + PATIENCE
        while not chosen.count() and time.monotonic() < until:
            self.page.keyboard.press("Escape")  # afresh: a busy JupyterLab takes the focus away from its own search
            self.page.keyboard.press("Control+F")
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(text)
            for _ in range(15):
                self.page.wait_for_timeout(700)
                if chosen.count() or not search.evaluate_all("all => all.includes(document.activeElement)"):
                    break
                self.page.keyboard.press("Enter")  # the next place
            counter = self.page.locator(".jp-DocumentSearch-index-counter").all_inner_texts()
            self._tell(f"search: {search.evaluate_all('all => all.map(one => one.value)')}, {counter}")
        assert chosen.count(), f"the search does not lead to {text!r}"
        self.page.keyboard.press("Escape")
        search.first.wait_for(state="detached")
        self.page.keyboard.press("Enter")
        self.notebook.locator(".jp-Notebook.jp-mod-editMode .jp-Cell.jp-mod-active").wait_for()

    def run_on(self) -> None:
        """Run the cell that has the focus, by keyboard, and wait until the next one has it."""
        cell = self.notebook.locator(".jp-Cell.jp-mod-active").element_handle()
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function("cell => !cell.isConnected || !cell.classList.contains('jp-mod-active')", arg=cell)

    def go_to(self, target: Locator, key: str = "Tab") -> None:
        """Press a key until the focus is on an element."""
        for _ in range(80):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(50)
        pytest.fail(f"{key} does not lead to {target}")

    def validate(self) -> Locator:
        """Press Validate until it is heard, for JupyterLab draws its toolbar anew now and then; gives the verdict."""
        dialog = self.page.locator(".jp-Dialog")
        heard = self.page.locator(".validate-button", has_text=re.compile(r"(Saving|Validating)\.\.\.")).or_(dialog)
        until = time.monotonic() + PATIENCE
        while not heard.count() and time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                self.page.get_by_role("button", name="Validate").click(timeout=10_000)
                heard.first.wait_for(timeout=10_000)
        dialog.wait_for()
        return dialog

    def menu(self, *names: str) -> None:
        for name in names:
            self.page.get_by_role("menuitem", name=name, exact=True).click()

    def asks_for_no_news(self) -> bool:
        """Whether JupyterLab's question about news from the network is turned off."""
        return "@jupyterlab/apputils-extension:announcements" in self.page.evaluate(
            "JSON.parse(document.getElementById('jupyter-config-data').textContent).disabledExtensions")

    def pictures(self, which: str = ".jp-RenderedMarkdown img") -> list[tuple[str, int]]:
        """Alt text and natural width of every picture in the notebook's prose, or elsewhere in it, page by page."""
        found = {}
        scroller = self.notebook.locator(".jp-WindowedPanel-outer")
        scroller.evaluate("panel => panel.scrollTop = 0")
        while True:
            self.page.wait_for_timeout(250)
            for alt, width in self.notebook.locator(which).evaluate_all(
                    "all => all.map(picture => [picture.alt, picture.naturalWidth])"):
                found[alt] = max(width, found.get(alt, 0))
            if scroller.evaluate("panel => { const before = panel.scrollTop; panel.scrollTop += 600; "
                                 "return panel.scrollTop === before }"):
                return list(found.items())

    def contrast(self, element: Locator) -> float:
        """The least contrast, as WCAG counts it, of any text in the element with what is behind it."""
        return element.evaluate(_CONTRAST)

    def program(self, course: Path, variables: dict[str, str], *command: str) -> str:
        """Run one of the course's programs as its teacher."""
        done = subprocess.run([Path(variables["PATH"].split(":")[0], command[0]), *command[1:]], cwd=course,
                              env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


_CONTRAST = """root => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const f = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
                                 return .2126 * f(r) + .7152 * f(g) + .0722 * f(b) };
  const behind = node => { for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour } return [255, 255, 255] };
  let least = 21;
  for (const node of root.querySelectorAll('*')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())) continue;
    let opacity = 1;
    for (let up = node; up && up !== root; up = up.parentElement) opacity *= getComputedStyle(up).opacity;
    const back = behind(node), front = parse(getComputedStyle(node).color).slice(0, 3)
      .map((value, index) => value * opacity + back[index] * (1 - opacity));
    const [high, low] = [light(front), light(back)].sort((one, two) => two - one);
    least = Math.min(least, (high + .05) / (low + .05));
  }
  return least }"""


def cells(path: Path) -> list[dict]:
    """The code cells of a saved notebook."""
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def outputs(path: Path, kind: str) -> list[dict]:
    """All saved outputs of one kind."""
    return [output for cell in cells(path) for output in cell["outputs"] if output["output_type"] == kind]
