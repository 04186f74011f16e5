"""The site, built once, served on the loopback, and a real browser to look at it."""

import contextlib
import functools
import http.server
import os
import re
import threading
from pathlib import Path

import pytest
from chromium import CHROMIUM, FLAGS
from needs import need
from playwright.sync_api import sync_playwright

from convcraft.author.site.build import MODULES, build
from convcraft.commands import ROOT

PATIENCE = 120  # seconds after which something will not happen any more, however busy the machine is


class Site:
    """What was built, and where it is served."""

    def __init__(self, html: Path, editions: list, url: str):
        self.html, self.editions, self.url = html, editions, url
        self.pages = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(html, editions):
    """A built site at an address on the loopback; in a folder there, as GitHub's Pages have it."""
    handler = functools.partial(_Quiet, directory=html.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(html, editions, f"http://127.0.0.1:{server.server_port}/{html.name}/")
        server.shutdown()


@pytest.fixture(scope="session")
def tools():
    need((MODULES / "axe-core").is_dir(), "what the site takes from npm", "`make test-site` installs it")
    need(CHROMIUM, "Chromium", "`make system` installs it")


@pytest.fixture(scope="session")
def site(tools, tmp_path_factory):
    """The course's own."""
    folder = tmp_path_factory.mktemp("site")
    with serve(folder / "html", build(ROOT, folder, print)) as served:
        yield served


@pytest.fixture(scope="session")
def chromium(tools):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, tmp_path):
    """Opens a page of a site; at the end, nothing that it said or asked for may have been wrong."""
    shots = Path(os.environ["CONVCRAFT_SHOTS"], "site") if "CONVCRAFT_SHOTS" in os.environ else tmp_path
    shots.mkdir(parents=True, exist_ok=True)
    wrong, contexts = [], []

    def open_page(site, path, *, width=1280, height=900, **context):
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(
            f"{path}: console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
        page.on("response", lambda response: response.status >= 400 and wrong.append(
            f"{path}: {response.status} {response.url}"))
        page.on("request", lambda asked: re.match(rf"{site.url}|data:|blob:", asked.url) or wrong.append(
            f"{path}: asks for {asked.url}"))
        page.goto(site.url + path)
        page.shot = lambda name: page.screenshot(path=shots / f"{name}.png")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def opened(site, visit):
    """Opens a page of the course's own site."""
    return functools.partial(visit, site)
