"""``nsa watch`` from the command line, with a network."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import nsa, picture, rows, sentence, write

WATCHED = ("scores.csv", "regions.csv", "status.json", "watch.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write(tmp_path / "in" / f"{number}.png", picture(700 + number, defect=number == 2)[0])
    return tmp_path / "in"


@pytest.fixture(scope="module")
def run(network_run: Path, normals: Path) -> Path:
    result = nsa("calibrate", network_run, normals, "--device", "cpu", "--overwrite")
    assert result.exit_code == 0, result.output
    return network_run


def test_what_is_there_is_judged_as_predict_judges_it(
    run: Path, folder: Path, tmp_path: Path
) -> None:
    out, expected = tmp_path / "out", tmp_path / "expected"
    command = ("watch", run, folder, "--output", out, "--once", "--device", "cpu", "--fpr", 0.1)
    result = nsa(*command)
    assert result.exit_code == 0, result.output
    assert "3 images judged" in result.stderr
    assert nsa("predict", run, folder, "--output", expected, "--fpr", 0.1).exit_code == 0
    found = {Path(line["path"]).name: line for line in rows(out / "scores.csv")}
    assert len(found) == 3
    for line in rows(expected / "scores.csv"):
        same = found[Path(line["path"]).name]
        assert same["predicted"] == line["predicted"]
        assert float(same["raw_score"]) == pytest.approx(float(line["raw_score"]), rel=1e-5)
        assert (out / same["picture"]).is_file()
        assert same["time"][:2] == "20"
    again = nsa(*command)
    assert again.exit_code == 0, again.output
    assert len(rows(out / "scores.csv")) == 3
    assert set(WATCHED) < {entry.name for entry in out.iterdir()}
    status = json.loads((out / "status.json").read_text())
    assert (status["state"], status["judged"]) == ("ended", 3)
    assert status["drift"]["known"] is True
    message = sentence(nsa(*command[:-1], 0.2))
    assert f"The results in {out} are of another calibration or rate" in message


def test_mistakes_are_told_in_a_sentence(run: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("watch", run, folder, "--output")
    assert "own pictures would be judged" in sentence(nsa(*command, folder / "out", "--once"))
    for option, value in (("--settle", -1), ("--tries", 0), ("--drift-level", 1)):
        assert f"{option} must" in sentence(nsa(*command, out, "--once", option, value))
    gone = tmp_path / "gone"
    assert f"{gone}, which is to be watched, does not exist" in sentence(
        nsa("watch", run, gone, "--output", out)
    )
    assert not out.exists()
    (folder / "bad.png").write_text("no image")
    message = sentence(
        nsa(*command, out, "--once", "--no-overlays", "--settle", 0, "--device", "cpu")
    )
    assert message.endswith(f"All are listed in {out / 'unreadable.csv'}.")
    assert len(rows(out / "scores.csv")) == 3
    assert not list(out.glob("*.png"))


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of POSIX")
def test_a_terminal_sees_a_table_and_ctrl_c_ends_it(
    run: Path, folder: Path, tmp_path: Path
) -> None:
    import pty

    out = tmp_path / "out"
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nsa", "watch", run, folder, "--output", out, "--device", "cpu"],
        stdin=side, stdout=side, stderr=side, env={**os.environ, "COLUMNS": "90"},
    )  # fmt: skip
    os.close(side)
    seen, end = b"", time.monotonic() + 90
    try:
        asked = False
        while time.monotonic() < end:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    seen += os.read(main, 1 << 16)
                except OSError:  # of a terminal that nobody has open
                    break
            scores = out / "scores.csv"
            if not asked and b"2.png: " in seen and scores.read_bytes().count(b"\n") == 4:
                process.send_signal(signal.SIGINT)
                asked = True
    finally:
        process.kill()
        process.wait()
        os.close(main)
    text = seen.decode()
    assert process.returncode == 0, text
    for word in ("Watching", "normal", "anomalous", "drift", "images/s", "3 images judged"):
        assert word in text
