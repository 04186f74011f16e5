"""A course in two languages, published somewhere: what the site has beside the real one's pages."""

import pytest
import toy
from conftest import serve

from convcraft.author.site.build import build
from convcraft.author.site.edition import SiteError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return toy.write(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def small(root, tools):
    told = []
    editions = build(root, root / ".site", told.append)
    with serve(root / ".site/html", editions) as site:
        site.told = told
        yield site


def test_both_languages_are_built(small):
    assert [edition.language for edition in small.editions] == ["en", "zh"]
    assert small.told == ["en: 1 chapters, 3 other pages", "zh: 1 chapters, 1 other pages"]


def test_search_engines_are_told_where_each_language_is(small):
    text = (small.html / "zh/chapters/01_convolution.html").read_text(encoding="utf-8")
    here = f"{toy.SITE}zh/chapters/01_convolution.html"
    assert f'<link rel="canonical" href="{here}">' in text
    assert f'<link rel="alternate" hreflang="en" href="{toy.SITE}chapters/01_convolution.html">' in text
    assert f'<link rel="alternate" hreflang="zh-CN" href="{here}">' in text
    assert f'content="{toy.SITE}card.png"' in text and (small.html / "card.png").is_file()
    assert f'<link rel="canonical" href="{toy.SITE}">' in (small.html / "index.html").read_text(encoding="utf-8")
    places = (small.html / "sitemap.xml").read_text()
    assert f"<loc>{here}</loc>" in places and f"<loc>{toy.SITE}</loc>" in places and "search" not in places


def test_language_switch_stays_on_the_page(small, visit):
    page = visit(small, "chapters/01_convolution.html")
    page.locator("a.language:visible").click()
    page.wait_for_url("**/zh/chapters/01_convolution.html")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.locator("a.language:visible").click()
    page.wait_for_url(f"{small.url}chapters/01_convolution.html")


def test_what_is_in_one_language_leads_to_the_others_front_page(small, visit):
    page = visit(small, "guide/teaching.html")
    page.locator("a.language:visible").click()
    page.wait_for_url("**/zh/index.html")


def test_what_is_not_translated_is_linked_in_english(small):
    text = (small.html / "zh/index.html").read_text(encoding="utf-8")
    assert '<a href="../guide/teaching.html" hreflang="en">' in text
    assert 'href="guide/start.html"' in text
    start = (small.html / "zh/guide/start.html").read_text(encoding="utf-8")
    assert '<a href="../../guide/teaching.html#kept" hreflang="en">' in start


def test_a_page_leads_to_itself_in_the_other_language(small):
    start = (small.html / "guide/start.html").read_text(encoding="utf-8")
    assert '<a href="../zh/guide/start.html" hreflang="zh-CN">Chinese</a>' in start
    translated = (small.html / "zh/guide/start.html").read_text(encoding="utf-8")
    assert '<a href="../../guide/start.html" hreflang="en">English</a>' in translated


def test_search_finds_a_chinese_term_typed_without_spaces(small, visit):
    page = visit(small, "zh/search.html?q=转置卷积")
    page.locator("#results li a").first.wait_for()
    assert "zh/chapters/01_convolution" in page.locator("#results li a").first.get_attribute("href")
    page.shot("search-zh")
    page.goto(f"{small.url}zh/search.html?q=卷积层")
    page.locator('#results li a[href$="zh/chapters/01_convolution.html#conv2d"]').wait_for()


def test_slider_shows_one_frame_after_another(small, visit):
    page = visit(small, "chapters/01_convolution.html")
    slider, shown = page.locator(".explorer input[type=range]"), page.locator(".explorer figcaption:visible")
    assert shown.all_inner_texts() == ["kernel 1"]
    slider.press("ArrowRight")
    assert shown.all_inner_texts() == ["kernel 2"]
    assert slider.get_attribute("aria-valuetext") == "kernel 2"
    assert page.get_by_text("The first", exact=True).count() == 0


def test_without_scripts_all_frames_are_in_a_strip(small, visit):
    page = visit(small, "chapters/01_convolution.html", java_script_enabled=False)
    assert page.locator(".explorer figcaption").count() == 3
    assert page.locator(".explorer figcaption").first.is_visible()


def test_gallery_says_sentence_points_and_code(small, visit):
    page = visit(small, "chapters/01_convolution.html")
    gallery = page.locator("details.gallery")
    gallery.locator("summary").first.click()
    assert "It sums x & <more>." in gallery.inner_text()
    assert "Fails: values, border. 5 of 10 points." in gallery.inner_text()
    assert gallery.locator(".says code").inner_text() == "x"
    gallery.get_by_text("The wrong code").click()
    assert "x.sum() + 1" in gallery.inner_text()


def test_notebook_is_opened_elsewhere_or_downloaded(small, visit):
    page = visit(small, "zh/chapters/01_convolution.html")
    links = page.locator(".launch a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert [link for link in links if "colab" in link and "notebooks/zh/01_convolution/convolution.ipynb" in link]
    assert (small.html / "zh/chapters" / links[-1]).resolve().is_file()


def test_a_file_of_the_repository_is_linked_where_that_is(small):
    text = (small.html / "guide/teaching.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/someone/course/blob/main/pyproject.toml"' in text


def test_exercise_says_effort_and_points(small, visit):
    page = visit(small, "chapters/01_convolution.html")
    assert page.locator(".effort").inner_text() == "●●●○○ 30 min · 10 points"
    assert page.locator(".dots").get_attribute("aria-label") == "difficulty 3 of 5"
    assert page.locator("h2#conv2d, section#conv2d h2").count() == 1


def test_a_language_without_solutions_is_left_out_and_said(root, tmp_path):
    (root / "solutions/zh").rename(tmp_path / "zh")
    told = []
    try:
        assert [edition.language for edition in build(root, tmp_path / "site", told.append)] == ["en"]
    finally:
        (tmp_path / "zh").rename(root / "solutions/zh")
    assert told[0] == f"zh: left out; {root / 'solutions/zh'} lacks 01_convolution"


def test_a_link_that_leads_nowhere_is_named(root, tmp_path, tools):
    page = root / "docs/teaching.md"
    kept = page.read_text()
    page.write_text(kept + "\n[lost](nowhere.md)\n")
    try:
        with pytest.raises(SiteError, match=r"teaching.md: the link nowhere.md leads nowhere; mend it"):
            build(root, tmp_path / "site", print)
    finally:
        page.write_text(kept)
