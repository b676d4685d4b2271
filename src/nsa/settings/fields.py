"""Fields of dataclasses: their types and ranges, and plain values as JSON and YAML have them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import numbers
import os
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from nsa.errors import InputError, hint, shown
from nsa.system.places import as_path

Config = TypeVar("Config")
_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a finite number", bool: "true or false", str: "text",
    Path: "a path",
}  # fmt: skip


class Checked:
    """A dataclass whose values have the types of its fields, however it is made.

    A value of another type is converted where that loses nothing, as :func:`convert` does; a
    subclass checks ranges in ``__post_init__`` after this one.

    Raises:
        InputError: a value has the wrong type.
    """

    def __post_init__(self) -> None:
        for name, (wanted, default) in _fields(typing.cast(Any, type(self))).items():
            value = getattr(self, name)
            if value is not default:
                object.__setattr__(self, name, convert(name, value, wanted))


@functools.cache
def _fields(config: Any) -> dict[str, tuple[Any, Any]]:
    """Type and default of every field by its name."""
    hints = typing.get_type_hints(config)
    return {
        field.name: (hints[field.name], field.default)
        for field in dataclasses.fields(typing.cast(Any, config))
    }


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values of a configuration: tuples become lists, as JSON and YAML have them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def from_dict(config: type[Config], values: dict[str, Any]) -> Config:
    """Build a configuration from plain values.

    Args:
        config: a :class:`Checked` dataclass.

    Raises:
        InputError: a name is unknown (the nearest one is suggested) or lacking, a value has the
            wrong type or is out of range.
    """
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{config.__name__} needs names and values, got {shown(values)}.")
    _check_names(config, values)
    for field in dataclasses.fields(typing.cast(Any, config)):
        without = dataclasses.MISSING
        if field.name not in values and field.default is field.default_factory is without:
            raise InputError(f"{config.__name__} lacks {field.name!r}.")
    return config(**values)


def replace(config: Config, **changes: Any) -> Config:
    """A copy of ``config`` with some fields changed, checked as in :func:`from_dict`."""
    _check_names(type(config), changes)
    return typing.cast(Config, dataclasses.replace(typing.cast(Any, config), **changes))


def _check_names(config: type, values: dict[str, Any]) -> None:
    known = _fields(config)
    for name in values:
        if name not in known:
            ending = hint(name[:80], known, f"it has {', '.join(known)}.")
            raise InputError(f"{config.__name__} has no field {shown(name)}; {ending}")


@contextlib.contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Name the file in what is said of values that were read from it.

    Args:
        remedy: what to do about a damaged file, without a full stop.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{path} is damaged: {str(error).rstrip('.')}; {remedy}.") from error


def convert(name: str, value: Any, wanted: Any) -> Any:
    """``value`` as the annotated type, where the conversion loses nothing.

    Types are numbers (whole, or finite), bool, text, paths, literals, other classes, and lists,
    tuples and dictionaries of them.

    Raises:
        InputError: it would.
    """
    origin, arms = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _one_of(name, value, arms)
    if origin is Literal:
        if not isinstance(value, str) or value not in arms:
            listed = ", ".join(map(repr, arms))
            raise InputError(f"{name} must be one of {listed}, got {shown(value)}.")
        return value
    if origin is tuple:
        return tuple(_items(name, value, arms))
    if origin is list:
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} must be a list, got {shown(value)}.")
        return [convert(name, item, arms[0]) for item in value]
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise InputError(f"{name} must be a section of names and values, got {shown(value)}.")
        return {key: convert(f"{name}: {shown(key)}", item, arms[1]) for key, item in value.items()}
    found = _plain(value, wanted)
    if found is None:
        words = _WORDS.get(wanted, f"of type {wanted.__name__}")
        # What YAML takes for a number, where a name or a path is meant.
        quotes = "; put it in quotes" if wanted in (str, Path) and _is_number(value) else ""
        raise InputError(f"{name} must be {words}, got {shown(value)}{quotes}.")
    return found


def _one_of(name: str, value: Any, arms: tuple[Any, ...]) -> Any:
    """``value`` as the first of several types that it fits; the first one's message if none."""
    if value is None and type(None) in arms:
        return None
    if isinstance(value, list | tuple) and not value:
        raise InputError(f"{name} is an empty list; leave it out or name something.")
    refusals = []
    for arm in arms:
        if arm is not type(None):
            try:
                return convert(name, value, arm)
            except InputError as error:
                refusals.append(error)
    raise refusals[0]


def _items(name: str, value: Any, arms: tuple[Any, ...]) -> list[Any]:
    """The values of a tuple."""
    several = isinstance(value, list | tuple)
    if arms[-1] is Ellipsis:  # any number, of which one needs no list
        if not several:
            return [convert(name, value, arms[0])]
        return [convert(name, item, arms[0]) for item in value]
    if not several or len(value) != len(arms):
        raise InputError(f"{name} must be {len(arms)} numbers, got {shown(value)}.")
    return [convert(name, item, arm) for item, arm in zip(value, arms, strict=True)]


def _plain(value: Any, wanted: Any) -> Any:
    """``value`` as a type without parts; None: it is none."""
    if wanted in (int, float):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return None
        if wanted is int and isinstance(value, numbers.Integral):
            return int(value)
        with contextlib.suppress(OverflowError):  # a whole number beyond every float
            number = float(value)
            if wanted is int:
                return int(number) if number.is_integer() else None
            if math.isfinite(number):
                return int(value) if isinstance(value, numbers.Integral) else number
        return None
    if wanted is Path and isinstance(value, str | os.PathLike):
        return as_path(os.fsdecode(value))
    return value if isinstance(value, wanted) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real)


def check_number(config: Any, name: str, low: float, high: float) -> None:
    """Raise :class:`InputError` unless a number is within its range."""
    value = getattr(config, name)
    if not low <= value <= high:
        raise InputError(f"{name} must be a number from {low} to {high}, got {shown(value)}.")


def check_bounds(config: Any, name: str, low: float, high: float) -> None:
    """Raise :class:`InputError` unless two numbers are in order and within their range."""
    value = getattr(config, name)
    if not low < value[0] <= value[1] <= high:
        raise InputError(
            f"{name} must be two numbers with {low} < smallest <= largest <= {high}, got "
            f"{shown(value)}."
        )
