"""Patches into images: Poisson blending, pasting and interpolation, by one native kernel each."""

from nsa.blend.batch import blend
from nsa.blend.clone import seamless_clone

__all__ = ["blend", "seamless_clone"]
