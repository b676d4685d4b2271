"""A run of an MLflow store, which MLflow's own environment variables name."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsa.loggers.writer import End, Plain, Writer
from nsa.system.files import write_atomically
from nsa.system.readers import read_json

FILE = "mlflow.json"  # in the run folder: which run of the store it is
_EXPERIMENT = "nsa"
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
_LONGEST, _MOST = 6000, 100  # characters of a parameter, and parameters of one call


class MlflowWriter(Writer):
    """Tells the store at ``MLFLOW_TRACKING_URI``, in the experiment ``MLFLOW_EXPERIMENT_NAME``.

    Args:
        folder: of the run.
        name: of the run in the store, where it is new there.
    """

    def __init__(self, folder: Path, name: str) -> None:
        from mlflow.tracking import MlflowClient

        make: Any = MlflowClient
        self._client = make()
        known = self._known(folder)
        if known is None:
            run = self._client.create_run(self._experiment(), run_name=name)
            write_atomically(folder / FILE, json.dumps({"run_id": run.info.run_id}) + "\n")
        else:
            run = known
            self._client.update_run(run.info.run_id, status="RUNNING")
        self._run, self._params = run.info.run_id, dict(run.data.params)

    def begin(self, settings: Mapping[str, Plain], about: Mapping[str, str]) -> None:
        """See :meth:`Writer.begin`; a parameter cannot change, what does is a tag."""
        from mlflow.entities import Param, RunTag

        told = {name: str(value)[:_LONGEST] for name, value in settings.items()}
        new = [Param(name, value) for name, value in told.items() if name not in self._params]
        for first in range(0, len(new), _MOST):
            self._client.log_batch(self._run, params=new[first : first + _MOST])
        changed = {
            name: value for name, value in told.items() if self._params.get(name, value) != value
        }
        tags = [RunTag(name, str(value)) for name, value in {**changed, **about}.items()]
        self._client.log_batch(self._run, tags=tags)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See :meth:`Writer.scalars`."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def results(
        self, values: Mapping[str, float], settings: Mapping[str, Plain], step: int
    ) -> None:
        """See :meth:`Writer.results`."""
        del settings  # which stand beside it in the store
        self.scalars(values, step)

    def picture(self, path: Path, step: int) -> None:
        """See :meth:`Writer.picture`; it takes the place of one of its name."""
        del step
        self._client.log_artifact(self._run, str(path))

    def close(self, end: End) -> None:
        """See :meth:`Writer.close`."""
        self._client.set_terminated(self._run, _STATUS[end])

    def _known(self, folder: Path) -> Any:
        """The run in the store that a run folder began before; None: there is none there."""
        from mlflow.exceptions import MlflowException

        if not (folder / FILE).is_file():
            return None
        try:
            run = self._client.get_run(str(read_json(folder / FILE)["run_id"]))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None  # another store than before
        return run if run.info.lifecycle_stage == "active" else None

    def _experiment(self) -> str:
        """The identifier of the experiment, which is made where there is none."""
        given = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if given:
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        identifier = self._client.create_experiment(name) if found is None else found.experiment_id
        return str(identifier)
