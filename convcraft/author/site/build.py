"""From the repository to a folder that any web server can show: staged for Sphinx, built, indexed for the search."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nbformat

from convcraft.author.site import card, chapter, front, guide
from convcraft.author.site.edition import LANGUAGES, Edition, SiteError
from convcraft.author.site.pictures import Pictures

MODULES = Path(sys.prefix) / "site/node_modules"  # KaTeX and fonts, which `make site` brings by npm
_API = """\
# {title}

{intro}

```{{eval-rst}}
.. automodule:: convcraft.exam
   :no-members:

{members}
```
"""


def build(root: Path, target: Path, tell: Callable[[str], object]) -> list[Edition]:
    """Build the site of every language whose chapters are all there.

    Args:
        root: the repository.
        target: a folder of the site's own; what it held is replaced. The pages come to `html` in it.
        tell: is given a line for what was done, or left out.

    Returns:
        The languages built.

    Raises:
        SiteError: something that the site needs is missing.
    """
    if not (MODULES / "katex").is_dir():
        raise SiteError(f"{MODULES} has no KaTeX; `make site` installs it, with npm (`make system` brings that)")
    editions = []
    for language in LANGUAGES:
        edition = Edition(root, language)
        if edition.missing:
            tell(f"{language}: left out; {edition.solution('').parent} lacks {', '.join(edition.missing)}")
        else:
            editions.append(edition)
    for part in ("source", "html", "doctrees"):
        shutil.rmtree(target / part, ignore_errors=True)
    for edition in editions:
        stage(edition, target / "source" / edition.language)
    for edition in editions:
        _sphinx(edition, editions, target)
        tell(f"{edition.language}: {len(edition.chapters)} chapters, {len(edition.guides)} other pages")
    _index(target / "html")
    (target / "html/.nojekyll").touch()  # or GitHub's Pages leave out what begins with an underscore
    if editions and (site := editions[0].published.site):
        _map(target / "html", site)
        card.draw(target / "html/card.png", root / "assets/readme/diagnosis.png")
    return editions


def stage(edition: Edition, folder: Path) -> None:
    """Write what Sphinx reads: notebooks and Markdown, and beside them in `extra/` what is copied as it is."""
    extra = folder / "extra"
    inner = Pictures(extra / "pictures", "../pictures")
    for name in edition.chapters:
        _write(folder / f"chapters/{name}.ipynb", nbformat.writes(chapter.page(edition, name, inner)))
        _copy(edition.root / edition.released(name), extra / f"notebooks/{name}.ipynb")
    for name in edition.guides:
        _write(folder / f"{name}.md", guide.page(edition, name, inner))
    if edition.has("guide/api"):
        _write(folder / "guide/api.md", _api(edition))
    _write(folder / "index.md", front.page(edition, Pictures(extra / "pictures", "pictures")))
    _write(folder / "search.md", f"---\norphan: true\nhide-toc: true\n---\n# {edition.words['search']}\n")


def _api(edition: Edition) -> str:
    from convcraft import exam

    named = [(name, _kind(getattr(exam, name))) for name in exam.__all__]
    members = "\n".join(f".. auto{kind}:: convcraft.exam.{name}" + ("\n   :members:" if kind == "module" else "")
                        for name, kind in named)
    return _API.format(title=edition.words["api"], intro=edition.words["api_intro"], members=members)


def _kind(thing: object) -> str:
    if isinstance(thing, ModuleType):
        return "module"
    if isinstance(thing, type):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _sphinx(edition: Edition, editions: list[Edition], target: Path) -> None:
    """One language's pages; every warning is an error."""
    from sphinx.cmd.build import build_main

    source, out = target / "source" / edition.language, target / "html" / edition.folder
    settings = {"language": LANGUAGES[edition.language], "edition": edition.language,
                "editions": ",".join(each.language for each in editions), "modules": MODULES,
                "html_extra_path": source / "extra"}
    arguments = [f"-D{name}={value}" for name, value in settings.items()]
    if build_main(["--quiet", "--fail-on-warning", "--keep-going", "--builder", "html", "--conf-dir",
                   str(edition.root / "site"), "--doctree-dir", str(target / "doctrees" / edition.language),
                   *arguments, str(source), str(out)]):
        raise SiteError(f"Sphinx could not build {source}; the lines above say why")


def _index(html: Path) -> None:
    """The search's index, of all languages at once."""
    done = subprocess.run([sys.executable, "-m", "pagefind", "--site", html, "--output-subdir", "pagefind", "--quiet"],
                          capture_output=True, text=True)
    if done.returncode:
        raise SiteError(f"pagefind could not index {html}: {done.stderr or done.stdout}")


def _map(html: Path, site: str) -> None:
    """What search engines read: `sitemap.xml` and `robots.txt`, for a site at the address `site`."""
    pages = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html") if path.name != "search.html")
    places = "\n".join(f"  <url><loc>{site}{page.removesuffix('index.html')}</loc></url>" for page in pages)
    _write(html / "sitemap.xml", '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns='
                                 f'"http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}\n</urlset>\n')
    _write(html / "robots.txt", f"User-agent: *\nAllow: /\nSitemap: {site}sitemap.xml\n")
