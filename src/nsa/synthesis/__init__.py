"""Plan, blend and label a batch at once."""

from nsa.synthesis.transform import NSA

__all__ = ["NSA"]
