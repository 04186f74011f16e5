"""How the pages look, made light: all style sheets as one, fonts with the letters in use."""

import logging
import shutil
from pathlib import Path

from fontTools import subset
from fontTools.varLib import instancer

FONTS = {"Source Serif 4": ("source-serif-4", ["normal", "italic"]), "Source Sans 3": ("source-sans-3", ["normal"]),
         "Source Code Pro": ("source-code-pro", ["normal"])}
WEIGHTS = (400, 700)
ASCII = "".join(map(chr, range(0x20, 0x7F)))  # what a reader may type is there, too
_LATIN = "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,U+2000-206F,U+20AC," \
         "U+2122,U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD"
logging.getLogger("fontTools").setLevel(logging.WARNING)


def setup(app):
    sheets = {}  # of all pages, in the order in which one overrules another

    def collect(app, pagename, templatename, context, doctree):
        sheets.update(dict.fromkeys(str(sheet.filename) for sheet in context["css_files"]))
        context["css_files"] = ["_static/style.css"]

    def carry(app, error):
        if error:
            return
        html, modules = Path(app.outdir), Path(app.config.modules)
        letters = ASCII + "".join(set().union(*(path.read_text(encoding="utf-8") for path in html.rglob("*.html"))))
        _fonts(html / "_static", modules, letters)
        shutil.copy(modules / "katex/dist/katex.min.css", html / "_static")
        style = "\n".join((html / sheet).read_text(encoding="utf-8") for sheet in sheets)
        (html / "_static/style.css").write_text(style, encoding="utf-8")

    app.connect("html-page-context", collect)
    app.connect("build-finished", carry, priority=900)  # after Furo, which writes the colours of dark code then
    return {"parallel_read_safe": True, "parallel_write_safe": False}


def _fonts(static, modules, letters):
    """Write the fonts, and the style sheet that names those of the text; KaTeX's own names the others."""
    (static / "fonts").mkdir(exist_ok=True)
    for path in (modules / "katex/dist/fonts").glob("*.woff2"):
        _cut(path, static / "fonts", letters)
    faces = []
    for family, (package, styles) in FONTS.items():
        for style in styles:
            name = f"{package}-latin-wght-{style}.woff2"
            _cut(modules / "@fontsource-variable" / package / "files" / name, static / "fonts", letters)
            faces.append(f'@font-face {{ font-family: "{family}"; font-style: {style}; '
                         f'font-weight: {WEIGHTS[0]} {WEIGHTS[1]}; font-display: swap; '
                         f'src: url("fonts/{name}") format("woff2"); unicode-range: {_LATIN}; }}')
    (static / "fonts.css").write_text("\n".join(faces) + "\n", encoding="utf-8")


def _cut(path, folder, letters):
    """A font with these letters alone, and of its weights those in use."""
    options = subset.Options(hinting=False, layout_features=["*"])
    font = subset.load_font(str(path), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=letters)
    cutter.subset(font)
    if "fvar" in font:
        instancer.instantiateVariableFont(font, {"wght": WEIGHTS}, inplace=True)
    font.flavor = "woff2"
    font.save(folder / path.name)
