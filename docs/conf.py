"""The documentation site, built by ``.ci/docs``."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "extensions"))
# The command line that the pages run is that of the Python which builds them.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

project = "nsa"
author = "The NSA authors"
copyright = author
version = release = installed_version("nsa")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "command_line",
    "docstrings",
    "public_names",
    "repository_links",
]
exclude_patterns = ["extensions"]
nitpicky = True
nitpick_ignore_regex = [
    # Other packages: their inventories would have to be fetched.
    ("py:.*", r"(torch|np|numpy|npt|nn|Tensor|cv2|collections|Path|pathlib|Literal|Any)\b.*"),
    # What docstrings name and is not public, and what the list of its class describes.
    ("py:.*", r"nsa\.(detectors|images|model|runs|settings|gaussian|metrics|plan)\..*"),
    ("py:data", r"[A-Z_]+"),
    ("py:attr", r"[\w.]+"),
    ("py:func", r"load_network"),
]

# Pages: Markdown, of which those with a kernel in their head are run when the site is built.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_ipywidgets_js = {}  # no page has widgets, and none fetches scripts

# Reference, from docstrings; of arguments that share a line, too.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

html_theme = "furo"
html_title = f"nsa {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_exclude = ".linenos, .gp, .go"

# Only by ``-b linkcheck``, where there is a network.
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://127\.0\.0\.1.*"]
linkcheck_allowed_redirects = {r"https://.*": r"https://.*"}
