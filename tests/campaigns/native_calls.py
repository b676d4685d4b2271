"""Calls of native functions: valid ones, and how their arguments are spoiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
from cuda_cases import random_plan  # of tests/cuda
from fuzzing import FLOATS, extremes

Draw = st.DrawFn
Arguments = dict[str, Any]

INTEGERS = sorted(
    {0, 1, -1, 2, 255, 256, 65535, 65536, 10**30}
    | {s * 2**b + d for b in (15, 16, 31, 32, 62, 63, 64) for s in (1, -1) for d in (-1, 0, 1)}
)
WORDS = [
    "", "source", "mixed", "paste", "interpolate", "planned", "binary", "continuous", "logistic",
    "factor", "released", "paper", "Source", "source\0", "x" * 5000, "\udc80", "naïve",
]  # fmt: skip
FLAGS = [1, 2, 3, 9, 10, 11]  # of OpenCV's seamlessClone
THINGS = [None, True, -1, 2**70, 1.5, "", b"", [], [[]], {}, object(), np.float64(2), range(3)]
DTYPES = ["b1", "i1", "u1", "<i2", ">i4", "<i4", "<u4", "<i8", ">i8", "<u8", "<f2", "<f4", ">f4",
          "<f8", "<c8", "O", "S3", "M8[s]", "V16"]  # fmt: skip


def pick(draw: Draw, values: Sequence[Any]) -> Any:
    """One of some values, which hypothesis need not hash."""
    return values[draw(st.integers(0, len(values) - 1))]


@st.composite
def spoiled_array(draw: Draw, array: np.ndarray) -> Any:
    """An array with other values, another type, shape or layout; or no array at all."""
    how = pick(draw, _SPOILS)
    with np.errstate(all="ignore"):
        return how(draw, array)


def _values(draw: Draw, array: np.ndarray) -> Any:
    if not array.size:
        return array
    wrong = array.copy()
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, wrong.size - 1))
        wrong.reshape(-1)[where] = pick(draw, extremes(wrong.dtype))
    return wrong


def _any_bytes(draw: Draw, array: np.ndarray) -> Any:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.frombuffer(random.bytes(array.nbytes), array.dtype).reshape(array.shape).copy()


def _dtype(draw: Draw, array: np.ndarray) -> Any:
    wanted = np.dtype(pick(draw, DTYPES))
    if wanted.kind == "V" or array.dtype.kind == "V":
        return np.zeros(array.shape, wanted)
    return array.astype(wanted)


def _axes(draw: Draw, array: np.ndarray) -> Any:
    axis = draw(st.integers(0, array.ndim))
    ways = [
        array[None],
        array[..., None],
        array.reshape(-1),
        array[0:0],
        np.concatenate([array] * 2),
    ]
    if array.ndim > 1:
        ways += [
            array.swapaxes(0, -1),
            array.T.copy(),
            array[..., 0:0],
            array[..., :1],
            array[:, 0:0],
        ]
    if array.size:
        ways += [array.take(0, min(axis, array.ndim - 1)), array[:-1], array[..., :-1]]
    return pick(draw, ways)


def _strides(draw: Draw, array: np.ndarray) -> Any:
    twice = np.concatenate([array, array])
    unaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    frozen = array.copy()
    frozen.flags.writeable = False
    ways = [array[::-1], array[..., ::-1], twice[::2], np.asfortranarray(array), unaligned, frozen]
    ways += [np.broadcast_to(array[..., :1], array.shape), np.broadcast_to(array[:1], array.shape)]
    return pick(draw, ways)


def _thing(draw: Draw, array: np.ndarray) -> Any:
    return pick(draw, [*THINGS, array.tolist(), memoryview(array), np.array(1, array.dtype)])


_SPOILS: list[Callable[[Draw, np.ndarray], Any]] = [
    _values, _values, _values, _any_bytes, _dtype, _axes, _axes, _strides, _thing,
]  # fmt: skip


@st.composite
def spoiled(draw: Draw, value: Any) -> Any:
    """Another value in the place of a valid one; mostly of its own type."""
    if draw(st.integers(0, 15)) == 0:
        return pick(draw, THINGS)
    if isinstance(value, np.ndarray):
        return draw(spoiled_array(value))
    if isinstance(value, bool):
        return pick(draw, [not value, 2, -1])
    if isinstance(value, int):
        return pick(draw, INTEGERS)
    if isinstance(value, float):
        return pick(draw, FLOATS)
    if isinstance(value, str):
        return pick(draw, WORDS)
    if isinstance(value, tuple) and value:
        wrong = list(value)
        where = draw(st.integers(0, len(wrong) - 1))
        wrong[where] = draw(spoiled(wrong[where]))
        return tuple(wrong if draw(st.integers(0, 7)) else wrong[:-1])
    return pick(draw, THINGS)


@st.composite
def spoiled_some(draw: Draw, arguments: Arguments) -> Arguments:
    """A call with none, one or two of its arguments replaced."""
    names = sorted(arguments)
    wrong = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
    return {**arguments, **{name: draw(spoiled(arguments[name])) for name in wrong}}


class Scene:
    """Images, sources and a plan of their patches: what most calls are about."""

    def __init__(self, draw: Draw) -> None:
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.count = draw(st.integers(0, 3))
        sides = st.one_of(
            st.integers(1, 12), st.integers(13, 48), st.sampled_from([63, 64, 65, 130])
        )
        self.height, self.width = draw(sides), draw(sides)
        self.high, self.wide = draw(sides), draw(sides)
        self.channels = pick(draw, [1, 3])
        drawn = random_plan(
            self.random, self.count, (self.height, self.width), (self.high, self.wide),
            rounds=draw(st.integers(1, 2)), masks=draw(st.booleans()),
        )  # fmt: skip
        self.rows, self.factors, self.masks = drawn.rows, drawn.factors, drawn.masks
        self.threads = draw(st.integers(1, 3))

    def images(self) -> np.ndarray:
        return self.noise(self.count, self.height, self.width, self.channels)

    def sources(self) -> np.ndarray:
        return self.noise(self.count, self.high, self.wide, self.channels)

    def noise(self, *shape: int) -> np.ndarray:
        return self.random.integers(0, 256, shape, dtype=np.uint8)

    def plan(self) -> Arguments:
        return {"rows": self.rows, "factors": self.factors, "masks": self.masks}

    def clone(self) -> Arguments:
        """Masks whose boxes fit at their centres, mostly."""
        masks = self.noise(self.count, self.high, self.wide)
        if self.random.random() < 0.5:
            masks[:, : self.random.integers(self.high + 1)] = 0
        centers = self.random.integers(0, [self.width, self.height], (self.count, 2))
        if self.random.random() < 0.5:
            centers[:] = self.width // 2, self.height // 2
        return {"masks": masks, "centers": centers.astype(np.int64)}

    def views(self, dtype: np.dtype[Any], count: int) -> np.ndarray:
        """Turned crops anywhere in and around the images, as bytes."""
        views = np.zeros(count, dtype)
        angle = self.random.uniform(-7, 7, count)
        views["cosine"], views["sine"] = np.cos(angle), np.sin(angle)
        views["image"] = self.random.integers(0, max(self.count, 1), count)
        for name in ("top", "left"):
            views[name] = self.random.integers(-70, 70, count)
        views["flip"] = self.random.integers(0, 2, count)
        return views.view(np.uint8)

    def lights(self, dtype: np.dtype[Any]) -> np.ndarray:
        """Of every image another light, as bytes; half of them blur."""
        lights = np.zeros(self.count, dtype)
        lights["gain"] = self.random.integers(0, (8 << 11) + 1, (self.count, 3))
        lights["shift"] = self.random.integers(-(512 << 19), (512 << 19) + 1, (self.count, 3))
        lights["noise"] = self.random.choice([0, 1, 200_000], self.count)
        lights["key"] = self.random.integers(0, 2**32, self.count)
        lights["taps"][:, 1:] = self.random.integers(0, 4097, (self.count, 2))
        lights["taps"][::2, 1:] = 0
        lights["taps"][:, 0] = (1 << 14) - 2 * lights["taps"][:, 1:].sum(1)
        return lights.view(np.uint8)


def shape(array: np.ndarray) -> tuple[int, ...]:
    return array.shape


def written(dtype: Any, *shape: int) -> np.ndarray:
    """An output, filled with something that no result holds everywhere."""
    return np.full(shape, 113, dtype)


# One function an entry point, by its name in nsa._C: the arguments of a valid call. Those that are
# called "out", "labels" or, of uint8 (N, H, W), "masks" of some functions are written; see OUTPUTS.
def blend_cpu(draw: Draw, scene: Scene) -> Arguments:
    images = scene.images()
    mode = pick(draw, ["source", "mixed", "paste", "interpolate"])
    given = {"images": images, "sources": scene.sources(), **scene.plan(), "mode": mode}
    return {**given, "out": written(np.uint8, *images.shape), "threads": scene.threads}


def clone_cpu(draw: Draw, scene: Scene) -> Arguments:
    images = scene.images()
    given = {"sources": scene.sources(), "destinations": images, **scene.clone()}
    given["flags"] = pick(draw, FLAGS)
    return {**given, "out": written(np.uint8, *images.shape), "threads": scene.threads}


def clone_plan(draw: Draw, scene: Scene) -> Arguments:
    sources = (scene.count, scene.high, scene.wide, scene.channels)
    destinations = (scene.count, scene.height, scene.width, scene.channels)
    shapes = {"sources": sources, "destinations": destinations}
    return {**shapes, **scene.clone(), **clone_gradients(draw, scene)}


def clone_gradients(draw: Draw, _scene: Scene) -> Arguments:
    return {"flags": pick(draw, FLAGS)}


def resize(_draw: Draw, scene: Scene) -> Arguments:
    return {"images": scene.images(), "width": scene.wide, "height": scene.high}


def label_table(draw: Draw, scene: Scene) -> Arguments:
    kind = pick(draw, ["binary", "continuous", "logistic", "factor"])
    rule = {"midpoint": 15.0, "steepness": 1 / 6}
    return {"kind": kind, "channels": scene.channels, **rule}


def label_cpu(draw: Draw, scene: Scene) -> Arguments:
    original = scene.images()
    blended = original.copy()
    if blended.size:
        blended[:, ::3] ^= 31
    rule = label_table(draw, scene)
    del rule["channels"]
    rule["variant"] = pick(draw, ["released", "paper"])
    given = {"original": original, "blended": blended, **scene.plan(), **rule}
    return {**given, "labels": written(np.float32, *original.shape[:3]), "threads": scene.threads}


def background_range(_draw: Draw, scene: Scene) -> Arguments:
    background, threshold = scene.random.uniform(0, 255, 2).tolist()
    return {"channels": scene.channels, "background": background, "threshold": threshold}


def object_masks_cpu(draw: Draw, scene: Scene) -> Arguments:
    images, given = scene.images(), background_range(draw, scene)
    del given["channels"]
    masks = written(np.uint8, *images.shape[:3])
    return {"images": images, **given, "masks": masks, "threads": scene.threads}


def gather_cpu(draw: Draw, scene: Scene) -> Arguments:
    store, count = scene.images(), draw(st.integers(0, 3)) if scene.count else 0
    views = scene.views(_view(), count)
    out = written(np.uint8, count, scene.high, scene.wide, scene.channels)
    return {"store": store, "views": views, "out": out, "threads": scene.threads}


def gather_masks_cpu(draw: Draw, scene: Scene) -> Arguments:
    words = scene.height * -(-scene.width // 64)
    count = draw(st.integers(0, 3)) if scene.count else 0
    stored = scene.random.integers(0, 2**64, scene.count * words + 1, dtype=np.uint64)
    return {
        "foreground": stored, "height": scene.height, "width": scene.width,
        "outside": draw(st.booleans()), "views": scene.views(_view(), count),
        "masks": written(np.uint8, count, scene.high, scene.wide), "threads": scene.threads,
    }  # fmt: skip


def relight_cpu(_draw: Draw, scene: Scene) -> Arguments:
    from nsa._native.extension import C

    images = scene.images()
    out = written(np.uint8, *images.shape)
    lights = scene.lights(C.light)
    return {"images": images, "lights": lights, "out": out, "threads": scene.threads}


def device_limits(draw: Draw, _scene: Scene) -> Arguments:
    memory = pick(draw, [0, 64, 4096, 49152, 232448])
    return {"shared_memory": memory, "multiprocessors": draw(st.integers(1, 132))}


def device_plan(draw: Draw, scene: Scene) -> Arguments:
    """Of ``DevicePlan.of``, without its limits."""
    mode = pick(draw, ["source", "mixed", "paste", "interpolate", None])
    given = {**scene.plan(), "mask_bytes": scene.masks.size, "mode": mode}
    given["images"] = (scene.count, scene.height, scene.width, scene.channels)
    given["sources"] = (scene.count, scene.high, scene.wide, scene.channels)
    return {**given, "channels_together": pick(draw, [0, 1, scene.channels])}


def device_reserve(draw: Draw, scene: Scene) -> Arguments:
    """Of ``DevicePlan.reserve``, without its limits."""
    given = device_plan(draw, scene)
    kept = {name: given[name] for name in ("images", "sources", "mask_bytes", "channels_together")}
    sides = {"rounds": 2, "height": scene.height, "width": scene.width}
    return {**kept, **sides, "mode": given["mode"] or "source"}


def _view() -> np.dtype[Any]:
    from nsa._native.extension import C

    found: np.dtype[Any] = C.view
    return found
