"""Event files for TensorBoard, in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nsa.loggers.writer import End, Plain, Writer

FOLDER = "tensorboard"


class TensorBoardWriter(Writer):
    """Writes into ``<run>/tensorboard``.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        make: Any = SummaryWriter
        self._writer = make(folder / FOLDER, flush_secs=10)

    def begin(self, settings: Mapping[str, Plain], about: Mapping[str, str]) -> None:
        """See :meth:`Writer.begin`; as tables of text."""
        for title, values in (("settings", settings), ("run", about)):
            lines = [f"| {name} | {value} |" for name, value in values.items()]
            self._writer.add_text(title, "\n".join(["| | |", "|---|---|", *lines]), 0)

    def go_on(self, step: int) -> None:
        """See :meth:`Writer.go_on`; what lies at or beyond the step is no longer shown."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        version = Event(step=step, file_version="brain.Event:2")
        self._writer.file_writer.add_event(version)
        start = Event(step=step, session_log=SessionLog(status=SessionLog.START))
        self._writer.file_writer.add_event(start)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See :meth:`Writer.scalars`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def results(
        self, values: Mapping[str, float], settings: Mapping[str, Plain], step: int
    ) -> None:
        """See :meth:`Writer.results`; also as a line of the table of hyperparameters."""
        from torch.utils.tensorboard.summary import hparams

        self.scalars(values, step)
        make: Any = hparams
        for summary in make(dict(settings), dict(values)):
            self._writer.file_writer.add_summary(summary)

    def picture(self, path: Path, step: int) -> None:
        """See :meth:`Writer.picture`."""
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(path.stem, pixels, step, dataformats="HWC")

    def close(self, end: End) -> None:
        """See :meth:`Writer.close`."""
        del end
        self._writer.close()
