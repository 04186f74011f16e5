"""Sphinx's view of the site; `convcraft build site` stages the pages, and says which language this is."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "ConvCraft"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "formulae", "theme", "looks"]
exclude_patterns = ["extra"]
templates_path = ["_templates"]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "attrs_block"]
myst_heading_anchors = 3
html_math_renderer = "katex"

html_theme = "furo"
html_title = "ConvCraft"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["katex.min.css", "fonts.css", "site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
html_domain_indices = False
html_permalinks_icon = "#"
html_sidebars = {"**": ["sidebar/brand.html", "sidebar/search.html", "sidebar/scroll-start.html",
                        "sidebar/navigation.html", "sidebar/scroll-end.html"]}
pygments_style = "github-light-high-contrast"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00567f", "color-brand-content": "#00567f"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ef", "color-brand-content": "#7cc4ef"},
}

autodoc_typehints = "none"  # the unions fill a screen; the docstrings say it shorter
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # PyTorch's own refer to its own pages
napoleon_google_docstring = True
