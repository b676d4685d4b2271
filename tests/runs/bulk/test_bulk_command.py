"""``nsa predict --format parquet``: the scores of the other form, and what becomes of a kill."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bulked import Bulk, rows_in
from tiny import nsa, picture, rows, sentence, write
from watched import DEADLINE, put

from nsa.system import urls

KILLED = """
import signal, sys, time
from pathlib import Path
from bulked import Bulk
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job may ignore
from nsa.runs.bulk import parts
parts._SECONDS = 0.0
bulk = Bulk(Path(sys.argv[1]))
bulk.detector.before = lambda: time.sleep(0.1)
bulk.score()
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, fresh_seed: int) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(12):
        shown = picture(fresh_seed + number, defect=number % 3 == 0)[0]
        write(folder / f"{number}.png", shown[: 80 - number])
    return folder


def test_the_scores_are_those_of_the_other_form(
    gaussian_run: Path, images: Path, tmp_path: Path
) -> None:
    assert nsa("predict", gaussian_run, images, "--output", tmp_path / "csv").exit_code == 0
    result = nsa(
        "predict", gaussian_run, images, "--output", tmp_path / "out", "--format", "parquet"
    )
    assert result.exit_code == 0, result.output
    assert f"12 images scored; results in {tmp_path / 'out'}, 12 rows in the" in result.stderr
    assert "of 12 images anomalous at a false positive rate of 0.2" in result.stderr
    found = {Path(row["path"]).name: row for row in rows_in(tmp_path / "out" / "scores")}
    expected = rows(tmp_path / "csv" / "scores.csv")
    regions = rows(tmp_path / "csv" / "regions.csv")
    assert len(found) == len(expected) == 12
    for line in expected:
        row = found[Path(line["path"]).name]
        assert row["predicted"] == line["predicted"]
        for name in ("score", "raw_score", "defect_share"):
            assert row[name] == pytest.approx(float(line[name]), rel=1e-12)
        lines = [one for one in regions if one["path"] == line["path"]]
        assert len(row["regions"]) == len(lines)
        for region, one in zip(row["regions"], lines, strict=True):
            assert region["box"] == {name: int(one[name]) for name in ("x", "y", "width", "height")}
            assert region["area"] == int(one["area"])
            for name in ("share", "peak", "mean"):
                assert region[name] == pytest.approx(float(one[name]), rel=1e-6)


def test_urls_go_through_as_they_are(gaussian_run: Path, images: Path, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    place = f"memory:///{tmp_path.name}"
    for path in images.iterdir():
        urls.write(f"{place}/images/{path.name}", path.read_bytes())
    result = nsa(
        "predict",
        gaussian_run,
        f"{place}/images/",
        "--output",
        f"{place}/out",
        "--format",
        "parquet",
    )
    assert result.exit_code == 0, result.output
    assert f"12 images scored; results in {place}/out, 12 rows" in result.stderr
    assert urls.exists(f"{place}/out/bulk.json")
    assert not (Path.cwd() / "memory:").exists()


@pytest.mark.parametrize(
    "options",
    [("--overlays",), ("--review",), ("--save-maps",), ("--save-spread",), ("--mask-fpr", 0.1),
     ("--mask-share", 0.1), ("--map-format", "npy")],
)  # fmt: skip
def test_options_of_pictures_are_refused(
    gaussian_run: Path, images: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    out = tmp_path / "out"
    told = sentence(
        nsa("predict", gaussian_run, images, "--output", out, "--format", "parquet", *options)
    )
    assert f"writes tables alone; leave out {options[0]}." in told
    assert not out.exists()


def test_other_mistakes(gaussian_run: Path, images: Path, tmp_path: Path) -> None:
    common = ("predict", gaussian_run, images, "--output", tmp_path / "out")
    assert "--format must be csv or parquet" in sentence(nsa(*common, "--format", "excel"))
    told = sentence(nsa(*common, "--format", "csv", "--cluster", "auto"))
    assert "--cluster writes --format parquet; leave out --format csv, or --cluster." in told
    assert "does not exist" in sentence(
        nsa(*common[:2], "nowhere", *common[3:], "--format=parquet")
    )


def test_a_missing_package_is_named(
    gaussian_run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec",
        lambda name, *more: None if name == "pyarrow" else real(name, *more),
    )  # fmt: skip
    told = sentence(
        nsa("predict", gaussian_run, images, "--output", tmp_path / "o", "--format", "parquet")
    )
    assert "needs pyarrow, not installed here; pip install 'nsa[cluster]'" in told


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_a_kill_leaves_is_continued(tmp_path: Path, number: signal.Signals) -> None:
    bulk = Bulk(tmp_path)
    for count in range(640):  # ten groups, a part each
        put(bulk.images / f"{count % 7}" / f"{count}.png", count % 250)
    tests = Path(__file__).parents[2]
    paths = [str(tests), str(tests / "runs"), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + DEADLINE
    while len(bulk.parts()) < 2:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.wait()
    left = bulk.names()
    assert 0 < len(left) < 640
    assert len(set(left)) == len(left)
    assert bulk.score() == 640 - len(left)
    assert len(bulk.names()) == len(set(bulk.names())) == 640
    assert len(bulk.parts()) == 1
