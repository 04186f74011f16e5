"""The website as a reader meets it, in a real browser."""

import gzip
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from convcraft.author.site.build import MODULES

LIGHT = 2_000_000  # bytes of a chapter's first view
SOON = 420_000  # bytes, compressed, of what a chapter is drawn with: text, style, fonts, the picture that it opens with
AXE = MODULES / "axe-core/axe.min.js"


class _Read(HTMLParser):
    """A page's anchors, headings, pictures, what it links to and what it waits for."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets, self.levels, self.mute = set(), [], [], []
        self.pictures, self.sheets, self.scripts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[key] for key in ("id", "name") if found.get(key)}
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img" and "alt" not in found:
            self.mute.append(found.get("src"))
        if tag == "img":
            self.pictures.append(found)
        if tag == "script" and "src" in found:
            self.scripts.append(found)
        if tag == "link" and found.get("rel") == "stylesheet":
            self.sheets.append(found["href"])
        if tag in ("a", "img", "script", "link", "use", "source"):
            self.targets += [(tag, found[key]) for key in ("href", "src") if found.get(key)]


@pytest.fixture(scope="module")
def read(site):
    return {page: _Read((site.html / page).read_text(encoding="utf-8")) for page in site.pages}


def test_every_chapter_and_every_guide_has_a_page(site):
    for edition in site.editions:
        wanted = {f"chapters/{name}" for name in edition.chapters} | set(edition.guides) | {"index", "search"}
        assert {f"{edition.folder}{name}.html" for name in wanted} <= set(site.pages)
        assert len(edition.chapters) == 9


def test_links_and_anchors_lead_somewhere(site, read):
    lost = []
    for page, found in read.items():
        for tag, target in found.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                assert tag == "a", f"{page} loads {target} from another host"
                continue
            path = (site.html / page).parent / unquote(parts.path) if parts.path else site.html / page
            path = path / "index.html" if path.is_dir() else path
            inside = path.resolve().relative_to(site.html.resolve()).as_posix()
            if not path.is_file():
                lost.append(f"{page}: {target}")
            elif parts.fragment and inside in read and unquote(parts.fragment) not in read[inside].ids:
                lost.append(f"{page}: {target}: no such place there")
    assert lost == []


def test_headings_are_in_order_and_pictures_described(read):
    for page, found in read.items():
        assert found.levels[0] == 1 and found.levels.count(1) == 1, page
        assert all(after <= before + 1 for before, after in zip(found.levels, found.levels[1:], strict=False)), page
        assert found.mute == [], page


def test_pictures_have_their_room_and_wait_until_they_are_near(read):
    for page, found in read.items():
        if "chapters/" in page:
            assert all({"width", "height"} <= picture.keys() for picture in found.pictures), page
            assert all(picture.get("loading") == "lazy" for picture in found.pictures[1:]), page


def test_pixels_in_drawings_are_webp(site):
    drawings = [path.read_text(encoding="utf-8") for path in (site.html / "pictures").rglob("*.svg")]
    assert any("data:image/webp" in drawing for drawing in drawings)
    assert not any("data:image/png" in drawing for drawing in drawings)


def test_a_page_waits_for_one_style_sheet_and_no_script(read):
    for page, found in read.items():
        assert len(found.sheets) == 1, page
        assert found.scripts and all("defer" in script for script in found.scripts), page


def test_a_link_into_a_chapter_shows_its_place(opened):
    for width in (1280, 360):
        page = opened("chapters/01_convolution.html#mend-it", width=width, height=740)
        place = "document.getElementById('mend-it').getBoundingClientRect().top"
        page.wait_for_function(f"0 <= {place} && {place} < 200")


LATE = "getComputedStyle([...document.querySelectorAll('article .cell')].at(-1)).contentVisibility"


def test_a_chapter_read_from_its_top_is_laid_out_late(opened):
    page = opened("chapters/01_convolution.html")
    assert page.evaluate(LATE) == "auto"
    page.emulate_media(media="print")
    assert page.evaluate(LATE) == "visible"


@pytest.mark.parametrize("width", [1280, 360])
def test_a_chapter_keeps_the_readers_place(opened, width):
    page = opened("chapters/01_convolution.html", width=width, height=740)
    page.locator("#unfold").scroll_into_view_if_needed()
    page.wait_for_function("scrollY > 5000")
    # At rest: a browser notes the place for a reload once a second.
    page.wait_for_function("scrollY === window.before || void (window.before = scrollY)", polling=1500)
    page.reload()
    page.wait_for_function("scrollY > 5000")
    assert page.evaluate(LATE) == "visible"


def test_without_scripts_a_chapter_is_whole(opened):
    page = opened("chapters/01_convolution.html", java_script_enabled=False)
    assert page.evaluate(LATE) == "visible"


def test_no_answer_is_in_sight(site, opened):
    page = opened("chapters/02_pooling.html")
    answers = page.locator("details.solution")
    assert answers.count() >= 8
    assert not any(fold.locator("pre").first.is_visible() for fold in answers.all())
    assert page.locator(".tag_stub").count() == answers.count()
    answers.first.locator("summary").click()
    assert answers.first.locator("pre").first.is_visible()
    assert "YOUR CODE" not in answers.first.inner_text()


def test_every_page_opens_also_on_a_phone(site, opened):
    wide = []
    for path in site.pages:
        page = opened(path, width=360, height=740)
        if page.evaluate("document.documentElement.scrollWidth") > 360:
            wide.append(path)
        page.close()
    assert wide == []


@pytest.mark.parametrize("path", ["chapters/01_convolution.html", "chapters/09_clean.html", "index.html"])
def test_first_view_is_light(site, chromium, path):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, sizes = context.new_page(), []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.goto(site.url + path, wait_until="networkidle")
    assert sum(sizes) < LIGHT
    context.close()


def test_what_a_chapter_is_drawn_with_is_light(site, chromium):
    heavy = {}
    for path in (page for page in site.pages if "chapters/" in page):
        context = chromium.new_context(viewport={"width": 412, "height": 823})
        page, sizes = context.new_page(), []
        page.on("response", lambda response, sizes=sizes: sizes.append(_weight(response)))
        page.goto(site.url + path, wait_until="load")
        context.close()
        if sum(sizes) > SOON:
            heavy[path] = sum(sizes)
    assert heavy == {}


def _weight(response):
    """Its bytes as GitHub's Pages send them."""
    return len(gzip.compress(response.body()))


def _found(page, query):
    field = page.locator("article input[name=q]")
    field.fill(query)
    field.press("Enter")
    page.locator("#results li").first.wait_for()
    return page.locator("#results li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")


def test_search_finds_a_term(opened):
    page = opened("search.html")
    assert any("chapters/02_pooling" in link for link in _found(page, "transposed convolution")[:2])
    page.shot("search")
    page.locator("#results li a").first.click()
    page.locator("article h1").wait_for()
    page.goto(page.url.partition("chapters/")[0] + "search.html?q=щука")
    page.get_by_text("Nothing was found").wait_for()


def test_dark_is_chosen_and_kept(opened):
    page = opened("chapters/01_convolution.html", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    for _ in range(3):  # auto, light, dark
        page.locator("button.theme-toggle:visible").click()
        if page.locator("body").get_attribute("data-theme") == "dark":
            break
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    assert page.evaluate(paper) == dark


def test_keyboard_reaches_the_text_first(opened):
    page = opened("chapters/01_convolution.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#furo-main-content"


@pytest.mark.parametrize(("path", "scheme"), [
    ("index.html", "light"), ("index.html", "dark"), ("chapters/02_pooling.html", "light"),
    ("chapters/02_pooling.html", "dark"), ("guide/teaching.html", "light"), ("guide/api.html", "dark"),
    ("search.html", "light")])
def test_axe_finds_nothing_serious(opened, path, scheme):
    page = opened(path, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('article details').forEach(fold => fold.open = true)")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [f"{rule['id']}: {node['html'][:200]} ({node['failureSummary'][:200]})" for rule in found
               if rule["impact"] in ("serious", "critical") for node in rule["nodes"][:3]]
    assert serious == []
