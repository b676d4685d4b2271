"""The clone against a float64 direct solve of the same Poisson equation."""

from __future__ import annotations

import blend_cases
import cv2
import numpy as np
import pytest
from scipy.fft import dstn, idstn
from scipy.sparse import diags, identity, kron
from scipy.sparse.linalg import spsolve

from nsa.blend import seamless_clone


def solve_directly(case: blend_cases.Clone) -> np.ndarray:
    """The real-valued solution on the box of a clone whose mask fills the source, (h, w, C)."""
    left, top, width, height = case.box
    source = np.atleast_3d(case.source)[1:-1, 1:-1].astype(np.float64)
    inner = np.atleast_3d(case.destination)[top : top + height, left : left + width]
    destination = inner.astype(np.float64)
    weight = (
        cv2.erode(
            np.pad(case.mask[1:-1, 1:-1], 3), np.ones((7, 7)), borderType=cv2.BORDER_REPLICATE
        )[3:-3, 3:-3, None]
        / 255
    )

    def forward(field, axis):
        return np.diff(field, axis=axis, append=np.take(field, [-1], axis))

    fields = []
    for field in (source, destination):
        fields.append((forward(field, 1), forward(field, 0)))
    (sx, sy), (dx, dy) = fields
    taken = (
        np.abs(sx - sy) > np.abs(dx - dy)
        if case.flags == cv2.MIXED_CLONE
        else np.ones_like(sx, bool)
    )
    vx = np.where(taken, weight * sx + (1 - weight) * dx, dx)
    vy = np.where(taken, weight * sy + (1 - weight) * dy, dy)
    divergence = vx[1:-1, 1:-1] - vx[1:-1, :-2] + vy[1:-1, 1:-1] - vy[:-2, 1:-1]

    def second(n):
        return diags([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], [-1, 0, 1])

    laplace = kron(identity(height - 2), second(width - 2)) + kron(
        second(height - 2), identity(width - 2)
    )
    solution = destination.copy()
    for c in range(destination.shape[2]):
        right = divergence[..., c].copy()
        right[0] -= destination[0, 1:-1, c]
        right[-1] -= destination[-1, 1:-1, c]
        right[:, 0] -= destination[1:-1, 0, c]
        right[:, -1] -= destination[1:-1, -1, c]
        inner = spsolve(laplace.tocsc(), right.ravel())
        solution[1:-1, 1:-1, c] = inner.reshape(height - 2, width - 2)
    return solution


@pytest.mark.parametrize("kind", ["full", "grey"])
@pytest.mark.parametrize("flags", [cv2.NORMAL_CLONE, cv2.MIXED_CLONE])
def test_is_the_floor_of_the_direct_solution(kind, flags):
    rng = np.random.default_rng(11)
    for width, height in [(9, 9), (9, 31), (40, 10), (24, 25), (35, 34), (51, 38)]:
        for channels in (1, 3):
            drawn = blend_cases.mask(rng, kind, height, width)
            center = (3 + (width - 2) // 2, 2 + (height - 2) // 2)
            case = blend_cases.Clone(
                blend_cases.image(rng, height, width, channels),
                blend_cases.image(rng, height + 4, width + 5, channels),
                drawn,
                center,
                flags,
                blend_cases.box_of(drawn, center),
            )
            assert case.box[2:] == (width - 2, height - 2)
            left, top, w, h = case.box
            ours = np.atleast_3d(seamless_clone(*case.images, drawn, center, flags))
            exact = np.clip(solve_directly(case), 0, 255)
            # Float32 moves the solution by less than 0.001 grey levels before it is truncated.
            found = ours[top : top + h, left : left + w].astype(np.float64)
            assert (found >= exact - 1 - 1e-3).all()
            assert (found <= exact + 1e-3).all()


@pytest.mark.parametrize(("width", "height"), [(1024, 300), (300, 1030), (513, 518)])
def test_large_boxes_stay_accurate(width, height):
    """Source gradients over a full mask, against a float64 sine transform in both directions."""
    rng = np.random.default_rng(width)
    source, destination = (blend_cases.image(rng, height, width, 1) for _ in range(2))
    full = np.full((height, width), 255, np.uint8)
    ours = seamless_clone(source, destination, full, (width // 2, height // 2), 1)[1:-1, 1:-1]

    start = destination[1:-1, 1:-1].astype(np.float64)
    gap = source[1:-1, 1:-1] - start
    weight = np.zeros_like(gap)
    weight[3:-3, 3:-3] = 1
    vx = weight * np.diff(gap, axis=1, append=0)
    vy = weight * np.diff(gap, axis=0, append=0)
    divergence = vx[1:-1, 1:-1] - vx[1:-1, :-2] + vy[1:-1, 1:-1] - vy[:-2, 1:-1]
    rows, columns = (4 * np.sin(np.pi * np.arange(1, n + 1) / (2 * n + 2)) ** 2
                     for n in divergence.shape)  # fmt: skip
    spectrum = dstn(divergence, type=1) / -(rows[:, None] + columns)
    start[1:-1, 1:-1] += idstn(spectrum, type=1)
    exact = np.clip(start, 0, 255)
    assert (ours >= exact - 1 - 0.02).all()
    assert (ours <= exact + 0.02).all()
