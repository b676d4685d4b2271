"""How a message about an unknown name ends."""

from __future__ import annotations

import pytest

from nsa.errors import hint, nearest

KNOWN = ("metal_nut", "Screw", "nsa-paste", "a_b_c_d")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("metal_nuts", "metal_nut"),
        ("METAL-NUT", "metal_nut"),  # in another case and with a dash
        ("SCREWS", "Screw"),  # spelt as it is known
        ("nsa_past", "nsa-paste"),
        ("A-B-C-D", "a_b_c_d"),  # whose letters alone are not enough
        ("carpet", None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case_and_dashes(
    name: str, near: str | None
) -> None:
    assert nearest(name, KNOWN) == near


def test_a_hint_ends_with_one_name_or_with_all() -> None:
    assert hint("metalnut", iter(KNOWN)) == "did you mean 'metal_nut'?"
    assert hint("carpet", iter(KNOWN)) == "there are metal_nut, Screw, nsa-paste, a_b_c_d."
    assert hint("carpet", KNOWN, "it has none.") == "it has none."
    assert hint("metalnut", KNOWN, "it has none.") == "did you mean 'metal_nut'?"
