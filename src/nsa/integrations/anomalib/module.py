"""What this package's modules have in common in anomalib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomalib.models.components import AnomalibModule

_OPSET = 18  # the oldest that torch exports to; anomalib asks for 14, which then fails with a log


class NsaModule(AnomalibModule):  # type: ignore[misc]
    """A module whose ``model`` gives maps and scores of images in [0, 1]."""

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        """The batch with maps and scores."""
        del batch_idx
        return batch.update(**self.model(batch.image)._asdict())

    def to_onnx(
        self,
        export_root: Path | str,
        model_file_name: str = "model",
        input_size: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> Path:
        """See :meth:`anomalib.models.AnomalibModule.to_onnx`; images of any size by default."""
        options = {"opset_version": _OPSET, **kwargs}
        path: Path = super().to_onnx(export_root, model_file_name, input_size, **options)
        return path
