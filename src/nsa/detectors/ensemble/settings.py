"""What an ensemble is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsa.errors import InputError
from nsa.settings.fields import Checked

NAME = "ensemble"


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings(Checked):
    """The members of an ensemble of finished runs.

    Attributes:
        category: name of what is inspected.
        members: where each member's run was, by the name that it has in the ensemble.
        normals: folders and files of the held-out images; empty: those that the members were
            calibrated with.
    """

    category: str
    members: dict[str, str]
    normals: list[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.members) < 2:
            raise InputError("An ensemble has at least two members.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        return {
            "method": NAME,
            "category": self.category,
            "members": dict(self.members),
            "normals": list(self.normals),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EnsembleSettings:
        """The inverse of :meth:`to_dict`; other keys are left alone.

        Raises:
            InputError: something is missing, or of the wrong type.
        """
        for name in ("category", "members", "normals"):
            if name not in values:
                raise InputError(f"The configuration lacks {name!r}.")
        return cls(
            category=values["category"], members=values["members"], normals=values["normals"]
        )
