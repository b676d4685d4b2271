"""Pixel labels of synthetic anomalies: Section 3.3 and eq. 13-14 of the paper."""

from nsa.label.difference import difference_label, label

__all__ = ["label", "difference_label"]
