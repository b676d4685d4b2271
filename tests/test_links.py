"""Links within the repository lead to files, and to headings in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PAGES = sorted(
    page
    for folder in ("*.md", "docs/**/*.md", "benchmarks/*.md", "examples/**/*.md")
    for page in _ROOT.glob(folder)
)
_LINK = re.compile(r"\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"^(```|:::).*?^\1|^ {4}.*?$", re.MULTILINE | re.DOTALL)


def _headings(page: Path) -> set[str]:
    """Anchors that GitHub gives the headings of a page."""
    lines = re.findall(r"^#+ +(.+)$", _CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor in _headings(target), f"{path}#{anchor}"


def test_there_are_links() -> None:
    assert len(_LINK.findall((_ROOT / "README.md").read_text(encoding="utf-8"))) > 20
