"""Any text for settings: valid ones of the right types, or one sentence, in bounded memory."""

from __future__ import annotations

import dataclasses
import decimal
import fractions
import math
import typing
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import yaml
from fuzzing import bounded_memory, explore, is_a_sentence
from yaml_texts import SCALARS, bomb, documents

from nsa.detectors.gaussian.settings import GaussianConfig
from nsa.detectors.gaussian.settings import resolve as resolve_gaussian
from nsa.detectors.network.settings import lit
from nsa.detectors.network.settings import resolve as resolve_network
from nsa.detectors.registry import read_request
from nsa.errors import InputError
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import from_dict
from nsa.settings.light import LightSpread
from nsa.settings.presets import preset
from nsa.system.files import to_yaml

_CONFIGS = (SynthesisConfig, ImageConfig, TrainConfig, GaussianConfig)
_MEMORY = 1 << 30
_OBJECTS: list[Any] = [
    None, True, 0, 1, 2, -1, 2.0, 2.5, 1e-3, math.nan, math.inf, -math.inf, 10**400, 2**63, "",
    "x", "nsa", "1", b"1", [], [1], [1, 2], (64, 64), (64, 64, 64), (0.1, 0.5), (0.5, 0.1),
    [[1], [2]], [math.nan, 1], (1, None), {}, {"a": 1}, 1j, object(), np.float32(2), np.int64(3),
    np.bool_(True), np.array([40, 40]), np.array(3), decimal.Decimal("2"), decimal.Decimal("NaN"),
    fractions.Fraction(1, 3), range(2), {64, 65}, iter([64, 64]), "64", ("64", "64"), Path("x"),
]  # fmt: skip


def test_texts(tmp_path: Path, fresh_seed: int, effort: float) -> None:
    path = tmp_path / "options.yaml"
    outcomes = {"read": 0, "refused": 0}

    def check(text: str) -> None:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            request = read_request({}, path)
            resolve: Any = resolve_gaussian if hasattr(request, "gaussian") else _resolve
            settings = resolve(request, "bottle")
        except InputError as error:
            is_a_sentence(error)
            outcomes["refused"] += 1
            return
        outcomes["read"] += 1
        for config in (settings, *vars(settings).values()):
            if isinstance(config, _CONFIGS):
                check_types(config)
        again = type(settings).from_dict(yaml.safe_load(to_yaml(settings.to_dict())))
        assert again == settings

    with bounded_memory(_MEMORY):
        explore(check, documents(), examples=round(500 * effort), start=fresh_seed)
    assert min(outcomes.values()) > 2, outcomes


def test_values(fresh_seed: int, effort: float) -> None:
    """What a library caller may pass."""

    @st.composite
    def calls(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
        config = draw(st.sampled_from(_CONFIGS))
        fields = [field.name for field in dataclasses.fields(config)]
        names = draw(st.lists(st.sampled_from(fields), min_size=1, max_size=3, unique=True))
        return config, {name: _OBJECTS[draw(st.integers(0, len(_OBJECTS) - 1))] for name in names}

    def check(call: tuple[Any, dict[str, Any]]) -> None:
        config, given = call
        for make in (lambda: config(**given), lambda: from_dict(config, given)):
            try:
                made = make()
            except InputError as error:
                is_a_sentence(error)
            else:
                check_types(made)

    explore(check, calls(), examples=round(500 * effort), start=fresh_seed)


@pytest.mark.parametrize(
    "place", ["epochs", "category", "training", "output", "images:\n  size", "{}"]
)
@pytest.mark.parametrize("levels", [3, 9])
def test_a_small_text_of_many_values(levels: int, place: str, tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(bomb(levels) if place == "{}" else f"{place}: {bomb(levels)}\n")
    with bounded_memory(_MEMORY), pytest.raises(InputError) as raised:
        resolve_network(read_request({}, path), "bottle", _suggest)  # type: ignore[arg-type]
    is_a_sentence(raised.value)


def check_types(config: Any) -> None:
    """Every field is of the type that it says, and every number finite."""
    for name, wanted in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        assert _fits(value, wanted), f"{type(config).__name__}.{name} is {value!r}"


def _fits(value: Any, wanted: Any) -> bool:
    if typing.get_origin(wanted) is tuple:
        arms = typing.get_args(wanted)
        if arms[1:] == (...,) and type(value) is tuple:
            return all(_fits(item, arms[0]) for item in value)
        return type(value) is tuple and len(value) == len(arms) and all(map(_fits, value, arms))
    if typing.get_origin(wanted) is dict:
        key, item = typing.get_args(wanted)
        pairs = value.items() if type(value) is dict else [(None, None)]
        return all(_fits(one, key) and _fits(other, item) for one, other in pairs)
    if typing.get_origin(wanted) is typing.Literal:
        return value in typing.get_args(wanted)
    arms = typing.get_args(wanted)
    if arms:
        return any(_fits(value, arm) for arm in arms)
    if wanted is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is wanted


def _resolve(request: Any, category: str) -> Any:
    return lit(resolve_network(request, category, _suggest), request, _light)


def _suggest() -> Any:
    return preset("bottle")


def _light() -> LightSpread:
    return LightSpread(0.2, 0.2, 0.1)


def test_what_texts_are_made_of_is_yaml() -> None:
    """Most scalars are read, so that it is their values that are checked."""
    read = 0
    for scalar in SCALARS:
        try:
            yaml.safe_load(scalar)
            read += 1
        except (yaml.YAMLError, ValueError, KeyError, AttributeError):
            pass
    assert read > 0.6 * len(SCALARS)
