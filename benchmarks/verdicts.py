"""What verdicts are worth: false alarms and AUROC before and after, on images never judged.

The normal images of a category are sorted by how strongly their middle varies in brightness (on
MVTec AD's bottle: reflexes). A run is trained on the 100 that vary least, so that the others give
false alarms. Every second of these is the batch that is judged, by their known labels, with every
second defective test image; the rest of both is never judged nor trained on, and decides.

    python benchmarks/verdicts.py --data-root mvtec_ad --output /tmp/verdicts --method gaussian

Everything after ``--`` goes to the first training, and ``--further`` to the further one. Images are
linked, not copied.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from nsa.metrics import auroc

TRAINED = 100
Line = dict[str, str]


def main() -> None:
    options = _options()
    options.output.mkdir(parents=True)
    batch, fresh, good, bad = _divide(options.data_root / options.category, options.output)
    run, rate = options.output / "first", str(options.fpr)
    data = ("--data-root", options.output / "data", "--category", options.category)
    _nsa("train", *data, "--method", options.method, "--output", run, *options.train)
    judged = _predict(run, [*batch, *bad[::2]], rate)
    false_alarms = [Path(line["path"]) for line in judged if line["predicted"] == "anomalous"]
    false_alarms = [path for path in false_alarms if path in batch]
    alarms = _write(options.output / "alarms.csv", false_alarms, bad[::2])
    everything = _write(options.output / "everything.csv", batch, bad[::2])
    print(f"{len(false_alarms)} of {len(batch)} normal images of the batch are false alarms")
    runs = {"before": run}
    for name, verdicts in (("false alarms", alarms), ("the whole batch", everything)):
        copy = options.output / f"calibrated-{verdicts.stem}"
        shutil.copytree(run, copy)
        _nsa("calibrate", copy, "--verdicts", verdicts)
        runs[f"calibrate, {name}"] = copy
    further = shlex.split(options.further)
    for name, verdicts in (("nothing", None), ("false alarms", alarms), ("the batch", everything)):
        if verdicts is None and options.method == "gaussian":
            continue
        new = options.output / f"further-{'nothing' if verdicts is None else verdicts.stem}"
        given = () if verdicts is None else ("--verdicts", verdicts)
        _nsa("train", "--resume-from", run, *given, "--output", new, *further)
        runs[f"train further, {name}"] = new
    print("\n| run | fresh false alarms | test good | defects found | AUROC, fresh | AUROC, test |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, each in runs.items():
        lines = _predict(each, [*fresh, *good, *bad[1::2]], rate)
        normal, test, defective = lines[: len(fresh)], lines[len(fresh) :], lines[-len(bad[1::2]) :]
        test = test[: len(good)]
        labels = [0] * len(normal) + [1] * len(defective)
        scores = [float(line["raw_score"]) for line in (*normal, *defective)]
        metrics = json.loads((each / "metrics.json").read_text())
        print(
            f"| {name} | {_found(normal)} | {_found(test)} | {_found(defective)} | "
            f"{100 * auroc(np.array(labels), np.array(scores)):.1f} | "
            f"{100 * metrics['image_auroc']:.1f} |"
        )


def _divide(source: Path, output: Path) -> tuple[list[Path], list[Path], list[Path], list[Path]]:
    """The batch, fresh normal images, good and defective test images; and the data set, linked."""
    images = sorted((source / "train" / "good").resolve().iterdir(), key=_variation)
    train = output / "data" / source.name / "train" / "good"
    train.mkdir(parents=True)
    for path in images[:TRAINED]:
        (train / path.name).symlink_to(path)
    for name in ("test", "ground_truth"):
        (train.parent.parent / name).symlink_to((source / name).resolve())
    tested = sorted((source / "test").resolve().glob("*/*"))
    good = [path for path in tested if path.parent.name == "good"]
    bad = [path for path in tested if path.parent.name != "good"]
    return images[TRAINED::2], images[TRAINED + 1 :: 2], good, bad


def _variation(path: Path) -> float:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return float(cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA)[16:48, 16:48].std())


def _predict(run: Path, paths: list[Path], rate: str) -> list[Line]:
    """The lines of ``scores.csv``, in the order of the paths."""
    folder = run.parent / "predicted"
    shutil.rmtree(folder, ignore_errors=True)
    _nsa("predict", run, *paths, "--output", folder, "--fpr", rate, "--no-overlays", "--no-review")
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _write(table: Path, good: list[Path], bad: list[Path]) -> Path:
    with table.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("path", "verdict"))
        lines.writerows([(path, "good") for path in good] + [(path, "bad") for path in bad])
    return table


def _found(lines: list[Line]) -> str:
    return f"{sum(line['predicted'] == 'anomalous' for line in lines)} of {len(lines)}"


def _nsa(*arguments: object) -> None:
    command = [sys.executable, "-m", "nsa", *map(str, arguments)]
    print("$ nsa", shlex.join(command[3:])[:160], file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--category", default="bottle")
    parser.add_argument("--output", type=Path, required=True, help="new folder")
    parser.add_argument("--method", default="nsa")
    parser.add_argument("--fpr", type=float, default=0.05)
    parser.add_argument("--further", default="", help="options of the further training")
    parser.add_argument("train", nargs="*", help="options of the first training")
    return parser.parse_args()


if __name__ == "__main__":
    main()
