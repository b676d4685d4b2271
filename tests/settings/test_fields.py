"""Plain values become fields of a dataclass, where the conversion loses nothing."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from nsa.errors import InputError
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import Checked, from_dict, replace, to_dict


@dataclass(frozen=True, kw_only=True)
class Sample(Checked):
    """One field of every type that a setting has."""

    count: int = 3
    share: float = 0.5
    on: bool = False
    name: str = "a"
    choice: Literal["x", "y"] = "x"
    pair: tuple[int, int] = (1, 2)
    maybe: float | None = None
    maybe_pair: tuple[float, float] | None = None
    place: Path | None = None


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("count", 7, 7),
        ("count", 7.0, 7),  # YAML has 1e3 as a float
        ("share", 2, 2),
        ("share", 0.25, 0.25),
        ("on", True, True),
        ("name", "", ""),
        ("choice", "y", "y"),
        ("pair", [3, 4.0], (3, 4)),
        ("pair", (3, 4), (3, 4)),
        ("maybe", None, None),
        ("maybe", 4, 4),
        ("maybe_pair", [1, 2.0], (1, 2.0)),
        ("maybe_pair", None, None),
        ("place", "~/runs", Path.home() / "runs"),
        ("place", Path("runs"), Path("runs")),
    ],
)
def test_values_that_fit(name: str, given: Any, kept: Any) -> None:
    found = getattr(from_dict(Sample, {name: given}), name)
    assert found == kept
    assert type(found) is type(kept)
    if isinstance(kept, tuple):
        assert [type(item) for item in found] == [type(item) for item in kept]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("count", 7.5, "count must be a whole number, got 7.5."),
        ("count", math.inf, "count must be a whole number, got inf."),
        ("count", math.nan, "count must be a whole number, got nan."),
        ("count", "7", "count must be a whole number, got '7'."),
        ("count", True, "count must be a whole number, got True."),
        ("count", None, "count must be a whole number, got None."),
        ("share", "0.5", "share must be a finite number, got '0.5'."),
        ("share", False, "share must be a finite number, got False."),
        ("on", 1, "on must be true or false, got 1."),
        ("on", "yes", "on must be true or false, got 'yes'."),
        ("name", 1, "name must be text, got 1; put it in quotes."),
        ("pair", [1], "pair must be 2 numbers, got [1]."),
        ("pair", [1, 2, 3], "pair must be 2 numbers, got [1, 2, 3]."),
        ("pair", 12, "pair must be 2 numbers, got 12."),
        ("pair", "12", "pair must be 2 numbers, got '12'."),
        ("pair", [1, 2.5], "pair must be a whole number, got 2.5."),
        ("maybe", "none", "maybe must be a finite number, got 'none'."),
        ("maybe_pair", [1, None], "maybe_pair must be a finite number, got None."),
    ],
)
def test_values_that_do_not(name: str, given: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        replace(Sample(), **{name: given})
    assert str(raised.value) == message


def test_an_unknown_name_is_explained() -> None:
    with pytest.raises(InputError) as raised:
        from_dict(TrainConfig, {"epoch": 3})
    assert str(raised.value) == "TrainConfig has no field 'epoch'; did you mean 'epochs'?"
    with pytest.raises(InputError) as raised:
        replace(TrainConfig(), xyz=3)
    assert str(raised.value) == (
        "TrainConfig has no field 'xyz'; it has epochs, batch_size, crops_per_image, "
        "optimizer, learning_rate, final_learning_rate, warmup_epochs, focal, dice, seed, skips, "
        "image_score, holdout, fpr, extra_steps, former_epochs."
    )


def test_a_copy_keeps_the_other_fields_and_is_checked() -> None:
    first = TrainConfig(epochs=5, seed=9)
    assert replace(first, epochs=6) == TrainConfig(epochs=6, seed=9)
    assert first.epochs == 5
    with pytest.raises(InputError, match=r"^epochs must be a number from 1 to 1000000, got 0"):
        replace(first, epochs=0)
    with pytest.raises(InputError, match=r"^label must be one of"):
        from_dict(SynthesisConfig, {"label": 3})


@pytest.mark.parametrize(
    "config",
    [
        SynthesisConfig(method="pii", background=220, height_bounds=(0.1, 0.2)),
        ImageConfig(center_crop=None, size=(70, 90), crop=(32, 90), vertical_flip=True),
        TrainConfig(learning_rate=0.1 + 0.2, seed=2**63 - 1),
    ],
)
@pytest.mark.parametrize("language", ["json", "yaml"])
def test_plain_values_make_the_same_again(config: Any, language: str) -> None:
    values = to_dict(config)
    assert not any(isinstance(value, tuple) for value in values.values())
    if language == "json":
        values = json.loads(json.dumps(values))
    else:
        values = yaml.safe_load(yaml.safe_dump(values))
    assert from_dict(type(config), values) == config


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "former_epochs must be 2 numbers, got 3."),
        ([3], "former_epochs must be 2 numbers, got 3."),
        ([[1, 2, 3]], r"former_epochs must be 2 numbers, got \[1, 2, 3\]."),
        ([[5, 20], [5, 30]], "ascending"),
        ([[0, 20]], "ascending"),
        ([[1, 0]], "from 1"),
    ],
)
def test_lists_of_pairs(value: object, message: str) -> None:
    read = from_dict(TrainConfig, {"former_epochs": [[5, 20], [7, 30]]})
    assert read.former_epochs == ((5, 20), (7, 30))
    with pytest.raises(InputError, match=message):
        from_dict(TrainConfig, {"former_epochs": value})
