"""Sphinx's settings: pages in Markdown, the API from docstrings, a theme that asks nothing of the network."""

import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "docs"))

project = "craftner_spacy"
copyright = "the craftner_spacy authors, MIT"
release = metadata.version(project)
extensions = ["myst_parser", "sphinx.ext.autodoc", "docstring_fields"]
html_theme = "furo"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_copy_source = False
# Headings of level 1 to 3 can be linked to: page.md#heading.
myst_heading_anchors = 3
# A name in single backticks is linked where it is documented here, and code where it is not.
default_role = "py:obj"
add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource", "special-members": "__call__"}
autoclass_content = "both"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
