"""What the site adds to Furo: other languages, regions that a keyboard can scroll."""

import re
from pathlib import Path

from convcraft.author.site.edition import LANGUAGES, Edition

_PLAIN = re.compile(r'<span class="[pw]">([^<]*)</span>')  # punctuation and spaces: of a text's own colour
_SECTION = re.compile(r'<section id="([^"]+)">\n((?:<span id="[^"]*"></span>)*)<(h[1-6])')


def furnish(app, pagename, templatename, context, doctree):
    """What the templates need of every page."""
    root = Path(app.confdir).parent  # asked each time: this module outlives a build
    editions = [Edition(root, language) for language in app.config.editions.split(",")]
    here = next(edition for edition in editions if edition.language == app.config.edition)
    depth = "../" * pagename.count("/") + ("../" if here.folder else "")
    site = here.published.site
    context["words"] = here.words
    context["top"] = depth or "./"
    context["others"] = [
        {"language": LANGUAGES[edition.language].replace("_", "-"), "name": edition.words["language"],
         "there": _has(edition, pagename),
         "href": f"{depth}{edition.folder}{f'{pagename}.html' if _has(edition, pagename) else 'index.html'}"}
        for edition in editions if edition is not here]
    context["absolute"] = [
        (LANGUAGES[edition.language].replace("_", "-"), f"{site}{edition.folder}{pagename}.html".replace(
            "index.html", "")) for edition in editions if site and _has(edition, pagename)]
    context["canonical"] = f"{site}{here.folder}{pagename}.html".replace("index.html", "") if site else ""
    context["card"] = f"{site}card.png"
    if "body" in context:
        context["body"] = _furnished(context["body"], chapter=pagename.startswith("chapters/"))


def _furnished(body, *, chapter):
    """A page's text: what scrolls can be reached by keyboard, headings have the names that the search links to."""
    body = _PLAIN.sub(r"\1", body).replace("<pre>", '<pre tabindex="0">').replace(
        'class="headerlink"', 'class="headerlink" data-pagefind-ignore')
    if chapter:  # the search shows prose; a chapter's code would fill its lines
        body = body.replace('<div class="highlight-', '<div data-pagefind-ignore class="highlight-')
    return _SECTION.sub(r'<section>\n\2<\3 id="\1"', body)


def _has(edition, pagename):
    return pagename in ("index", "search") or pagename.startswith("chapters/") or edition.has(pagename)


def without_sphinx_search(app):
    """The site has its own page for the search; Sphinx's index would only weigh."""
    app.builder.search = False


def setup(app):
    app.add_config_value("edition", "en", "html", str)
    app.add_config_value("editions", "en", "html", str)
    app.connect("builder-inited", without_sphinx_search)
    app.connect("html-page-context", furnish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
