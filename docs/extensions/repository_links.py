"""Let links between files of the repository work on the site as they do in the repository.

Pages of the site link to files beside them and outside ``docs``, and files that pages include link
to their own neighbours. What the site shows of such a file is the page that includes it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_REPOSITORY = Path(__file__).parents[2]
_PAGES = {  # of files outside docs
    "README.md": "index.md",
    "README.md#figures": "figures/index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/README.md": "figures/measuring.md",
    "benchmarks/results.md": "figures/results.md",
    "examples/cpp/README.md": "how-to/cpp.md",
}
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+\.[\w]+)(#[\w-]+)?(?=\))")


def site_links(text: str, file: Path, page: Path) -> str:
    """The text of a file with its links as a page of the site has to have them.

    Args:
        text: Markdown.
        file: where it comes from.
        page: where it is shown.
    """

    def of_page(found: re.Match[str]) -> str:
        path, anchor = found.group(1), found.group(2) or ""
        target = Path(os.path.normpath(file.parent / path))
        name = os.path.relpath(target, _REPOSITORY)
        if name + anchor in _PAGES:
            target, anchor = _REPOSITORY / "docs" / _PAGES[name + anchor], ""
        elif name in _PAGES:
            target = _REPOSITORY / "docs" / _PAGES[name]
        return os.path.relpath(target, page.parent) + anchor

    return _LINK.sub(of_page, text)


def _of_page(app: Sphinx, docname: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md":
        source[0] = site_links(source[0], page, page)


def _of_included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    del parent  # of which MyST gives the last part only
    file = Path(os.path.normpath(app.srcdir / path))
    content[0] = site_links(content[0], file, Path(app.env.doc2path(app.env.docname)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _of_page)
    app.connect("include-read", _of_included)
    return {"parallel_read_safe": True}
