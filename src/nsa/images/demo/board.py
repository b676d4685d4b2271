"""The design of the circuit board: what lies where, drawn once and photographed many times.

Lengths are pixels of the picture. Layers are drawn at twice that resolution and reach beyond the
picture on all sides, so that a board that is shifted and turned still fills it.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from nsa.images.demo.canvas import Plane, floats

HEIGHT, WIDTH = 1152, 1536
MARGIN, FINE = 64, 2
TRACK = 7.0  # width of a track
_SUBPIXEL = 4  # binary digits after the point of what OpenCV draws
_CLEARANCE = 8  # between the ground plane and everything else

_Layer = npt.NDArray[np.uint8]
_Points = list[tuple[float, float]]


def _layer() -> _Layer:
    return np.zeros(((HEIGHT + 2 * MARGIN) * FINE, (WIDTH + 2 * MARGIN) * FINE), np.uint8)


@dataclass
class Board:
    """What a board is made of, as layers of coverage from 0 to 255.

    Attributes:
        copper: tracks, lands and the ground plane, under green lacquer.
        gold: lands, which the lacquer leaves open.
        ink: white print on the lacquer.
        holes: what is drilled.
        tracks: straight pieces of tracks, float32 (n, 2 ends, 2): x and y in pixels of the picture.
    """

    copper: _Layer = field(default_factory=_layer)
    gold: _Layer = field(default_factory=_layer)
    ink: _Layer = field(default_factory=_layer)
    holes: _Layer = field(default_factory=_layer)
    tracks: Plane = field(default_factory=lambda: np.empty((0, 2, 2), np.float32))

    def track(self, points: _Points, width: float = TRACK) -> None:
        """A track along points."""
        _line(self.copper, points, width)
        ends = floats(points)
        self.tracks = np.concatenate([self.tracks, np.stack([ends[:-1], ends[1:]], axis=1)])

    def bus(self, points: _Points, count: int, pitch: float) -> list[tuple[float, float]]:
        """Tracks side by side along points; returns where they end."""
        offsets = (np.arange(count) - (count - 1) / 2) * pitch
        lines = [_beside(points, float(offset)) for offset in offsets]
        for line in lines:
            self.track(line)
        return [line[-1] for line in lines]

    def land(self, x: float, y: float, width: float, height: float) -> None:
        """A rectangular contact about (x, y)."""
        for layer, more in ((self.copper, 2.0), (self.gold, 0.0)):
            _rectangle(layer, x, y, width + more, height + more)

    def disc(self, x: float, y: float, radius: float, hole: float = 0) -> None:
        """A round contact, with a hole of a smaller radius or none."""
        for layer, size in ((self.copper, radius + 1), (self.gold, radius), (self.holes, hole)):
            if size:
                _disc(layer, x, y, size)

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """The printed outline of a part about (x, y)."""
        a, b = width / 2, height / 2
        corners = [(x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b), (x - a, y - b)]
        _line(self.ink, corners, 3)

    def text(self, x: float, y: float, words: str, height: float = 20) -> None:
        """Print; (x, y) is where the first letter stands."""
        write(self.ink, x, y, words, height)


def write(layer: _Layer, x: float, y: float, words: str, height: float) -> None:
    """Draw words on a layer, their capitals ``height`` pixels high, from (x, y) to the right."""
    scale, thick = height * FINE / 21, max(1, round(height * FINE / 8))
    x, y = (x + MARGIN) * FINE, (y + MARGIN) * FINE
    place = (round(x), round(y))
    cv2.putText(layer, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)


@functools.cache
def design() -> Board:
    """The board. Nobody may write to its layers."""
    board = Board()
    _processor(board)
    _memory(board)
    _grid_array(board)
    _passives(board)
    _delay_line(board)
    _rows_of_contacts(board)
    _corner(board)
    _ground(board)
    # An etched edge is soft; how far it is etched is decided for every picture.
    board.copper = np.asarray(cv2.GaussianBlur(board.copper, (0, 0), 1.1 * FINE), np.uint8)
    return board


def _processor(board: Board) -> None:
    """A chip of four sides of twenty contacts, and the tracks that leave it."""
    x, y, pins, pitch, reach = 610.0, 500.0, 20, 18.0, 205.0
    for i in range(pins):
        along = (i - (pins - 1) / 2) * pitch
        for side in (-reach, reach):
            board.land(x + side, y + along, 42, 10)
            board.land(x + along, y + side, 10, 42)
    board.frame(x, y, 344, 344)
    _disc(board.ink, x - 148, y - 148, 8)
    board.text(x - 160, y + 158, "U1", 24)
    board.land(x, y, 150, 150)
    for across, down in itertools.product(range(-2, 3), repeat=2):
        board.disc(x + 28 * across, y + 28 * down, 7, 4)
    left = [(x - reach, y), (x - 300, y), (x - 360, y - 60), (-100, y - 60)]
    top = [(x, y - reach), (x, y - 270), (x - 110, y - 380), (x - 110, -100)]
    bottom = [(x, y + reach), (x, y + 300), (x + 90, y + 390), (x + 90, 1010)]
    for line in (left, top, bottom):
        board.bus(line, 20, pitch)
    upper = [(x + reach, y - 90), (x + 300, y - 90), (x + 420, y - 210), (1700, y - 210)]
    lower = [(x + reach, y + 90), (x + 300, y + 90), (x + 430, y + 220), (1700, y + 220)]
    for line in (upper, lower):
        board.bus(line, 10, pitch)
    for i in range(20):  # the edge connector
        board.land(x + 90 + (i - 9.5) * pitch, 1110, 12, 200)


def _memory(board: Board) -> None:
    """Two chips of two rows of contacts, each with a via."""
    y, pitch = 515.0, 24.0
    for x, name in ((1190.0, "U2"), (1420.0, "U3")):
        for i in range(8):
            along = x + (i - 3.5) * pitch
            for contact, via in ((y - 62, y - 104 - i % 2 * 22), (y + 62, y + 98)):
                board.land(along, contact, 12, 34)
                board.track([(along, contact), (along, via)])
                board.disc(along, via, 8, 4)
        board.frame(x, y, 206, 74)
        _disc(board.ink, x - 86, y + 22, 5)
        board.text(x - 18, y + 10, name, 20)


def _grid_array(board: Board) -> None:
    """A field of round contacts, every other of which has a via beside it."""
    x, y, pitch = 60.0, 730.0, 28.0
    for column, row in itertools.product(range(12), repeat=2):
        if 4 <= column <= 7 and 4 <= row <= 7:
            continue
        a, b = x + pitch * column, y + pitch * row
        board.disc(a, b, 8)
        if (column + row) % 2 and column < 11 and row < 11:
            board.track([(a, b), (a + pitch / 2, b + pitch / 2)], 5)
            board.disc(a + pitch / 2, b + pitch / 2, 6, 3)
    middle, size = (x + 5.5 * pitch, y + 5.5 * pitch), 12.6 * pitch
    board.frame(*middle, size, size)
    board.text(middle[0] - 22, middle[1] + 8, "U4", 26)
    ends = board.bus([(x + 11 * pitch, y + 3 * pitch), (x + 345, y + 3 * pitch)], 5, pitch)
    for end in ends:
        board.disc(*end, 8, 4)


def _passives(board: Board) -> None:
    """Rows of two-contact parts with their names, joined in chains."""
    for row, (y, letter) in enumerate(((66.0, "R"), (144.0, "C"))):
        for i in range(7):
            x = 800.0 + 104 * i + 24 * row
            board.track([(x + 20, y), (x + 84, y)])
            if row:
                board.track([(x - 20, y), (x - 20, y + 32), (x - 6, y + 46)])
                board.disc(x - 6, y + 46, 8, 4)
            board.land(x - 20, y, 24, 30)
            board.land(x + 20, y, 24, 30)
            board.frame(x, y, 76, 44)
            board.text(x - 24, y - 27, f"{letter}{11 + i}", 16)
        board.disc(x + 84, y, 8, 4)


def _delay_line(board: Board) -> None:
    """Tracks that wind to and fro, to be as long as others."""
    width = 232.0
    for x in (930.0, 1195.0):
        points: _Points = []
        for turn in range(12):
            y = 850.0 + turn * 15
            ends = [(x, y), (x + width, y)]
            points += ends if turn % 2 == 0 else ends[::-1]
        board.track(points)
        board.disc(*points[0], 9, 4)
        board.disc(*points[-1], 9, 4)


def _rows_of_contacts(board: Board) -> None:
    """Drilled contacts of two plugs, and four contacts to test by."""
    for i in range(7):
        board.disc(1490, 855 + 44 * i, 17, 9)
    board.frame(1490, 987, 50, 320)
    for i in range(6):
        board.disc(60 + 46 * i, 212, 15, 8)
    board.frame(175, 212, 290, 48)
    board.text(248, 178, "J1", 20)
    for across, down in itertools.product(range(2), repeat=2):
        board.disc(450 + 40 * across, 1010 + 40 * down, 12)
    board.text(440, 985, "TEST", 16)


def _corner(board: Board) -> None:
    """The hole for a screw, the mark that machines look for, and the name."""
    board.disc(110, 100, 66, 40)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        board.disc(110 + 53 * np.cos(angle), 100 + 53 * np.sin(angle), 5, 4)
    board.disc(256, 80, 14)
    for radius in range(28, 32):
        center = round((256 + MARGIN) * FINE), round((80 + MARGIN) * FINE)
        cv2.circle(board.ink, center, radius * FINE, 255, 3, cv2.LINE_AA)
    board.text(930, 1092, "NSA", 44)
    board.text(1064, 1092, "CTRL-16  REV C", 22)


def _ground(board: Board) -> None:
    """Copper wherever nothing else is near, with vias through it."""
    apart = cv2.distanceTransform(255 - board.copper, cv2.DIST_L2, 5)
    ink = cv2.distanceTransform(255 - board.ink, cv2.DIST_L2, 5)
    room = np.minimum(apart, ink) / FINE
    board.copper = np.where(apart > _CLEARANCE * FINE, np.uint8(255), board.copper)
    for x, y in itertools.product(range(-36, WIDTH + 60, 44), range(-36, HEIGHT + 60, 44)):
        if room[(y + MARGIN) * FINE, (x + MARGIN) * FINE] > 22:
            board.disc(x, y, 8, 4)


def _beside(points: _Points, offset: float) -> _Points:
    """A line moved sideways by ``offset``, its bends on the bisectors."""
    line = np.asarray(points, np.float64)
    step = np.diff(line, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    both = np.concatenate([normal[:1], normal[:-1] + normal[1:], normal[-1:]])
    first = np.concatenate([normal[:1], normal])
    moved = line + offset * both / (both * first).sum(axis=1, keepdims=True)
    return [(float(x), float(y)) for x, y in moved]


def _fixed(values: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Picture coordinates as OpenCV's fixed-point ones on a layer."""
    fine = (np.asarray(values, np.float64) + MARGIN) * FINE - 0.5
    fixed: npt.NDArray[np.int32] = np.rint(fine * 2**_SUBPIXEL).astype(np.int32)
    return fixed


def _line(layer: _Layer, points: _Points, width: float) -> None:
    cv2.polylines(
        layer, [_fixed(points).reshape(-1, 1, 2)], False, 255, round(width * FINE), cv2.LINE_AA,
        _SUBPIXEL,
    )  # fmt: skip


def _rectangle(layer: _Layer, x: float, y: float, width: float, height: float) -> None:
    a, b = width / 2, height / 2
    corners = [(x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b)]
    cv2.fillPoly(layer, [_fixed(corners).reshape(-1, 1, 2)], 255, cv2.LINE_AA, _SUBPIXEL)


def _disc(layer: _Layer, x: float, y: float, radius: float) -> None:
    center = _fixed((x, y))
    size = round(radius * FINE * 2**_SUBPIXEL)
    cv2.circle(layer, (int(center[0]), int(center[1])), size, 255, -1, cv2.LINE_AA, _SUBPIXEL)
