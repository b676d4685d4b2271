"""Fields of frozen dataclasses: valid ranges, and plain values as JSON and YAML have them."""

from __future__ import annotations

import contextlib
import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from nsa.errors import InputError, hint

Config = TypeVar("Config")


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values of a configuration: tuples become lists, as JSON and YAML have them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def from_dict(config: type[Config], values: dict[str, Any]) -> Config:
    """Build a configuration from plain values.

    Raises:
        InputError: a name is unknown (the nearest one is suggested), a value has the wrong type or
            is out of range.
    """
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{config.__name__} needs names and values, got {values!r}.")
    return replace(config(), **values)


def replace(config: Config, **changes: Any) -> Config:
    """A copy of ``config`` with some fields changed, checked as in :func:`from_dict`."""
    hints = typing.get_type_hints(type(config))
    for name in changes:
        if name not in hints:
            ending = hint(name, hints, f"it has {', '.join(hints)}.")
            raise InputError(f"{type(config).__name__} has no field {name!r}; {ending}")
    typed = {name: convert(name, value, hints[name]) for name, value in changes.items()}
    return typing.cast(Config, dataclasses.replace(typing.cast(Any, config), **typed))


def convert(name: str, value: Any, wanted: Any) -> Any:
    """``value`` as the annotated type, where the conversion loses nothing.

    Raises:
        InputError: it would.
    """
    optional = typing.get_origin(wanted) in (typing.Union, types.UnionType)
    if optional:
        if value is None:
            return None
        wanted = next(arm for arm in typing.get_args(wanted) if arm is not type(None))
    if typing.get_origin(wanted) is Literal:
        return value  # __post_init__ lists the choices
    if typing.get_origin(wanted) is tuple:
        arms = typing.get_args(wanted)
        if arms[-1] is Ellipsis:  # any number, of which one needs no list
            items = value if isinstance(value, list | tuple) else [value]
            if optional and not items:
                raise InputError(f"{name} is an empty list; leave it out or name something.")
            return tuple(convert(name, item, arms[0]) for item in items)
        if not isinstance(value, list | tuple) or len(value) != len(arms):
            raise InputError(f"{name} must be {len(arms)} numbers, got {value!r}.")
        return tuple(convert(name, item, arm) for item, arm in zip(value, arms, strict=True))
    if wanted is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    if isinstance(value, bool) or wanted is bool:
        valid = isinstance(value, bool) and wanted is bool
    elif wanted in (str, Path):
        valid = isinstance(value, str)
    elif wanted is int:
        valid = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    else:
        valid = isinstance(value, int | float)
    if valid:
        with contextlib.suppress(OverflowError):  # a whole number beyond every float
            return wanted(value)
    raise InputError(f"{name} must be of type {wanted.__name__}, got {value!r}.")


def check_choice(config: Any, name: str, options: tuple[str, ...]) -> None:
    value = getattr(config, name)
    if value not in options:
        listed = ", ".join(repr(option) for option in options)
        raise InputError(f"{name} must be one of {listed}, got {value!r}.")


def check_number(config: Any, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low} to {high}, got {value!r}.")


def check_bounds(config: Any, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if len(value) != 2 or not low < value[0] <= value[1] <= high:
        raise InputError(
            f"{name} must be two numbers with {low} < smallest <= largest <= {high}, got {value!r}."
        )
