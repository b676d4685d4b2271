"""The methods there are: every folder of this package with a ``METHOD``."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nsa.detectors
from nsa.detectors.method import AnyMethod
from nsa.errors import InputError, hint, shown
from nsa.folder import read_config
from nsa.images.layouts import dataset_names
from nsa.settings.fields import convert
from nsa.settings.options import STAMPS, Option, TrainRequest, read_options
from nsa.system.mirror import fetch

if TYPE_CHECKING:
    import torch

    from nsa.detectors.detector import Detector
    from nsa.folder import AnyRun

DEFAULT = "nsa"
TORCH, ONNXRUNTIME = ENGINES = "torch", "onnxruntime"


@functools.cache
def methods() -> dict[str, AnyMethod]:
    """Every method by the values of ``--method`` that mean it, the default's first."""
    folders = [one.name for one in pkgutil.iter_modules(nsa.detectors.__path__) if one.ispkg]
    found = [importlib.import_module(f"nsa.detectors.{name}").METHOD for name in folders]
    found.sort(key=lambda method: DEFAULT not in method.names)
    return {name: method for method in found for name in method.names}


def find_method(name: str | None) -> AnyMethod:
    """The method called ``name``; None: the default.

    Raises:
        InputError: there is no such method; the nearest one is suggested.
    """
    known = methods()
    if name is None:
        name = DEFAULT
    if name not in tuple(known):
        raise InputError(f"No method is named {shown(name)}; {hint(str(name)[:80], known)}")
    return known[name]


def config_name(method: AnyMethod) -> str | None:
    """How a run folder names a method; the default has no name."""
    return None if method is find_method(None) else method.names[0]


def train_options() -> dict[str, tuple[type[TrainRequest], Option]]:
    """The options of every method's training by name, and a request that has them."""
    found: dict[str, tuple[type[TrainRequest], Option]] = {}
    distinct = list(dict.fromkeys(methods().values()))
    for method in distinct:
        for name, option in method.request.options().items():
            if found.setdefault(name, (method.request, option))[1] != option:
                raise TypeError(f"two methods have an option {name!r} with different meanings")
    names = "; or ".join(method.summary for method in distinct if method.summary)
    for name, help_text in (
        ("method", f"{names[0].upper()}{names[1:]}. [default: {DEFAULT}]"),
        (
            "data_root",
            f"Folder of categories in the layout of {dataset_names()}; or one such category.",
        ),
    ):
        request, option = found[name]
        found[name] = request, dataclasses.replace(option, help=help_text)
    return found


def read_request(
    given: Mapping[str, Any], config: Path | None = None, method: AnyMethod | None = None
) -> TrainRequest:
    """What a training is asked for: the command line over a YAML file.

    Args:
        given: options by name (underscores), only those that were given.
        config: a YAML file with further options, and sections for every other setting.
        method: of the run that continues; None: the one that is asked for.

    Returns:
        A request of the method that is meant.

    Raises:
        InputError: a name is unknown (the nearest one is suggested) or an option of another method,
            or a value has the wrong type.
    """
    values = {**({} if config is None else read_options(config)), **given}
    asked = find_method(values.get("method"))
    chosen = method or asked
    known = dict.fromkeys([*_names(chosen.request)])
    others: dict[str, AnyMethod] = {}
    for other in methods().values():
        for name in _names(other.request):
            others.setdefault(name, other)
    for name in values:
        if name not in known and name not in others:
            where = config if config is not None and name not in given else "What is asked for"
            names = list(dict.fromkeys([*known, *others, *STAMPS]))
            ending = hint(name[:80], names, f"known are {', '.join(names)}.")
            raise InputError(f"{where} has an unknown key {shown(name)}; {ending}")
    foreign = [name for name in values if name not in known]
    if foreign:
        named = method is not None or values.get("method") is not None
        raise InputError(_refusal(chosen, others[foreign[0]], foreign, named))
    request: TrainRequest = chosen.request.read(values, "" if config is None else str(config))
    return request


def open_run(path: str | Path) -> AnyRun:
    """The run in a folder or at a URL, whatever its method.

    Raises:
        InputError: it is no run folder, or of a format this version does not know.
    """
    folder: Path = fetch(convert("The run folder", path, Path))
    run: AnyRun = method_of(folder).open_run(folder)
    return run


def method_of(path: Path) -> AnyMethod:
    """The method of the run in a folder.

    Raises:
        InputError: it is no run folder, or of a format or method this version does not know.
    """
    named = read_config(path).get("method")
    try:
        return find_method(named)
    except InputError as error:
        raise InputError(f"{path / 'config.yaml'} is damaged: {error}") from error


def load(
    run: str | Path,
    device: str | torch.device = "auto",
    *,
    calibrated: bool = True,
    engine: str = TORCH,
) -> Detector:
    """Load the detector of a finished run of any method: ``nsa.load("runs/bottle-001")``.

    Args:
        run: the run folder, or its URL.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``, or as torch names it.
        calibrated: whether it ignores what its calibration ignored, beside what its training did.
        engine: what runs its network: ``"torch"``, or ``"onnxruntime"``, which is faster on a CPU
            and needs ``nsa[export]``. What that takes is made once, in some seconds, and kept in
            the run folder. Maps and scores differ by rounding alone.

    What the run ignores of every image, it ignores of these, see :meth:`Detector.ignore`.

    Raises:
        InputError: the folder holds no finished run of this format, there is no such device or
            engine, or the engine is not for that device or detector, or not installed.
    """
    from nsa.detectors.hidden import kept  # torch, which no name of a method needs

    device = _check_engine(engine, device)
    opened = open_run(run)
    detector = method_of(opened.path).load(opened, device)
    if engine == ONNXRUNTIME:
        detector.use_onnxruntime(opened.path)
    detector.ignore(kept(opened.path, calibrated=calibrated))
    return detector


def _check_engine(engine: str, device: str | torch.device) -> str | torch.device:
    """The device of an engine."""
    if engine not in ENGINES:
        raise InputError(f"--engine must be {' or '.join(ENGINES)}, got {shown(engine)}.")
    if engine == TORCH:
        return device
    if str(device) not in ("auto", "cpu"):
        raise InputError(
            f"--engine {engine} is for the CPU, and the device {str(device)!r} was asked for; "
            "leave one of them out."
        )
    return "cpu"


def _names(request: type[TrainRequest]) -> list[str]:
    return [one.name for one in dataclasses.fields(request)]


def _refusal(chosen: AnyMethod, other: AnyMethod, foreign: list[str], named: bool) -> str:
    """Why options of another method cannot be used; ``named``: the chosen one was asked for."""
    if named:
        name = DEFAULT if DEFAULT in chosen.names else chosen.names[0]
        return (
            f"{', '.join(foreign)} cannot be set with --method {name}, {chosen.lacks}; "
            "leave it out."
        )
    return f"{foreign[0]!r} is an option of --method {other.names[0]}; add that."
