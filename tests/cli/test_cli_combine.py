"""``nsa combine``: what goes together, what it leaves, and how it goes on after a stop."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from tiny import nsa, picture, rows, sentence, write, write_product

import nsa as package
from nsa.images import Contents, load_images
from nsa.model import EncoderDecoder
from nsa.model.weights import read_tensors, save_model, write_tensors

Runs = tuple[Path, Path]


def test_a_run_folder_holds_its_members(ensemble: Path, more_data: Path) -> None:
    assert {str(path.relative_to(ensemble)) for path in ensemble.rglob("*") if path.is_file()} == {
        "config.yaml", "ensemble.yaml", "held_out.csv", "calibration.csv", "metrics.json",
        "scores.csv", "examples.png", "training_images.safetensors",
        "calibration_pixels.safetensors", "held_out_images.safetensors",
        *(f"members/{member}/{name}" for member in ("01-nsa", "02-nsa") for name in (
            "config.yaml", "model.safetensors", "calibration.csv", "metrics.json", "scores.csv",
            "log.csv", "training_images.safetensors", "calibration_pixels.safetensors",
        )),
    }  # fmt: skip
    written = yaml.safe_load((ensemble / "config.yaml").read_text())
    assert (written["method"], written["category"]) == ("ensemble", "disc")
    assert written["data_root"] == str(more_data)
    assert list(written["members"]) == ["01-nsa", "02-nsa"]
    metrics = json.loads((ensemble / "metrics.json").read_text())
    members = [ensemble / "members" / name for name in written["members"]]
    seconds = [json.loads((one / "metrics.json").read_text())["times"] for one in members]
    assert metrics["times"]["training_seconds"] == pytest.approx(
        sum(times["training_seconds"] for times in seconds)
    )
    assert metrics["pixel_auroc"] is not None


class Scene(NamedTuple):
    """Two runs to be changed, and the product's images."""

    one: Path
    other: Path
    data: Path


def alter(scene: Scene, name: str, old: str, new: str) -> tuple[object, ...]:
    """Both runs, with other text in a file of the second."""
    path = scene.other / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return scene.one, scene.other


def few(scene: Scene) -> tuple[object, ...]:
    for run in (scene.one, scene.other):
        path = run / "calibration.csv"
        lines = [line.replace(",19,", ",9,") for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines[:10]) + "\n")
    return scene.one, scene.other


def uncalibrated(scene: Scene) -> tuple[object, ...]:
    (scene.other / "calibration.csv").unlink()
    return scene.one, scene.other


def grey(scene: Scene) -> tuple[object, ...]:
    alter(scene, "config.yaml", "channels: 3", "channels: 1")
    path = scene.other / "model.safetensors"
    save_model(path, EncoderDecoder(1))
    return scene.one, scene.other


def unfinished(scene: Scene) -> tuple[object, ...]:
    (scene.other / "model.safetensors").rename(scene.other / "checkpoint.safetensors")
    return scene.one, scene.other


def link(scene: Scene) -> tuple[object, ...]:
    named = scene.one.parent / "link"
    named.symlink_to(scene.one)
    return scene.one, named


def normals_of(scene: Scene, kind: str) -> tuple[object, ...]:
    return scene.one, scene.other, "--normals", scene.data / "disc" / kind / "good"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: (s.one,), "is made of two runs or more, got 1."),
        (lambda s: (s.one, s.other, s.one), "one is named twice; a run says the same"),
        (link, "link is named twice, also as"),
        (lambda s: (s.one, s.data), "is not a run folder"),
        (unfinished, "is unfinished; nsa train --resume"),
        (lambda s: alter(s, "config.yaml", "ry: disc", "ry: ring"), "inspects 'disc' and"),
        (
            lambda s: alter(s, "config.yaml", "[72, 72]", "[72, 80]"),
            "judges images of 72 x 72 px and",
        ),
        (grey, "judges grey images and"),
        (uncalibrated, "is not calibrated, so there are no held-out images to standardise"),
        (few, "at least 10 held-out normal images, since the scale of fewer is a guess"),
        (
            lambda s: alter(s, "calibration.csv", "/18.png", "/19.png"),
            "1 of 20 images that the runs were calibrated with are gone, such as",
        ),
        (lambda s: normals_of(s, "train"), "20 of 20 held-out images were trained on by"),
        (lambda s: normals_of(s, "test"), "but there are 3; name more with --normals."),
    ],
)
def test_what_does_not_go_together_is_refused(
    change: Callable[[Scene], tuple[object, ...]],
    message: str,
    runs: Runs,
    more_data: Path,
    tmp_path: Path,
) -> None:
    """In one sentence, and nothing is left behind."""
    one, other = (
        Path(shutil.copytree(run, tmp_path / name))
        for run, name in zip(runs, ("one", "other"), strict=True)
    )
    output = tmp_path / "new"
    changed = change(Scene(one, other, more_data))
    said = sentence(nsa("combine", *changed, "--output", output))
    assert message in said
    assert not output.exists()


@pytest.mark.parametrize("known", ["by content", "by path"])
def test_what_a_member_held_out_itself_counts_as_held_out(
    runs: Runs, normals: Path, tmp_path: Path, known: str
) -> None:
    """Though it is among the images that were given to its training."""
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    every = Contents(sorted(normals.iterdir()))
    load_images(every.paths, (16, 16), progress=False, warn=False, contents=every)
    path = run / "training_images.safetensors"
    Contents.joined([Contents.read(path), every]).write(path)
    if known == "by path":  # as earlier versions calibrated
        lines = [f"{row['path']},{row['score']}" for row in rows(run / "calibration.csv")]
        (run / "calibration.csv").write_text("\n".join(["path,score", *lines]) + "\n")
    result = nsa("combine", run, runs[1], "--output", tmp_path / "new", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert len(Contents.read(tmp_path / "new" / path.name)) == 20
    (run / "calibration.csv").unlink()
    command = ("combine", run, runs[1], "--normals", normals, "--output", tmp_path / "other")
    assert "19 of 19 held-out images were trained on by" in sentence(nsa(*command))


def test_test_images_that_set_the_scales_are_said(
    runs: Runs, normals: Path, more_data: Path, tmp_path: Path
) -> None:
    good = more_data / "disc" / "test" / "good"
    options = ("--normals", normals, "--normals", good, "--output", tmp_path / "new")
    result = nsa("combine", *runs, *options, "--device", "cpu")
    assert result.exit_code == 0, result.output
    count, total = (len(list(folder.rglob("*.png"))) for folder in (good, good.parent))
    said = f"{count} of {total} test images are held-out images or copies of them, such as {good}"
    assert said in " ".join(result.stderr.split())


def test_an_ensemble_is_no_member(ensemble: Path, runs: Runs, tmp_path: Path) -> None:
    message = sentence(nsa("combine", ensemble, runs[0], "--output", tmp_path / "new"))
    assert "is an ensemble itself; name the runs in its folder members instead, 01-nsa" in message
    write(tmp_path / "normal" / "0.png", picture(0)[0])
    message = sentence(nsa("train", "--method", "ensemble", "--normal-dir", tmp_path / "normal"))
    assert "nsa combine RUN RUN" in message


def test_results_of_others_are_kept(ensemble: Path, runs: Runs, tmp_path: Path) -> None:
    before = (ensemble / "config.yaml").read_bytes()
    message = sentence(nsa("combine", *runs, "--output", ensemble))
    assert "already holds a run; choose another --output." in message
    assert (ensemble / "config.yaml").read_bytes() == before
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("kept")
    message = sentence(nsa("combine", *runs, "--output", tmp_path / "new"))
    assert "is not empty" in message
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["notes.txt"]


def test_a_stopped_call_is_no_detector_and_is_given_again(
    ensemble: Path, runs: Runs, normals: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(ensemble, tmp_path / "run"))
    for name in ("metrics.json", "examples.png", "ensemble.yaml"):
        (run / name).unlink()
    shutil.rmtree(run / "members" / "02-nsa")
    message = sentence(nsa("predict", run, normals, "--output", tmp_path / "out"))
    assert f"is unfinished; give its nsa combine again, with --output {run}." in message
    result = nsa("combine", *runs, "--output", run, "--device", "cpu")
    assert result.exit_code == 0, result.output
    for path in ensemble.rglob("*"):
        if path.is_file() and path.name not in ("config.yaml", "metrics.json"):
            assert (run / path.relative_to(ensemble)).read_bytes() == path.read_bytes(), path


def test_a_stopped_call_of_other_runs_is_kept_where_it_is_a_detector(
    ensemble: Path, runs: Runs, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(ensemble, tmp_path / "run"))
    (run / "metrics.json").unlink()
    message = sentence(nsa("combine", *runs, "--output", run))  # from other places
    assert f"which lacks its results alone (nsa train --resume {run})" in message
    assert (run / "ensemble.yaml").read_bytes() == (ensemble / "ensemble.yaml").read_bytes()


def test_one_detector_under_two_names_is_no_ensemble(runs: Runs, tmp_path: Path) -> None:
    copy = shutil.copytree(runs[0], tmp_path / "copy")
    message = sentence(nsa("combine", runs[0], copy, "--output", tmp_path / "both"))
    assert "they are one and the same detector; leave one out." in message
    assert not (tmp_path / "both").exists()


def test_members_that_say_the_same_of_everything_leave_nothing(runs: Runs, tmp_path: Path) -> None:
    dull = Path(shutil.copytree(runs[0], tmp_path / "dull"))
    tensors = read_tensors(dull / "model.safetensors")[0]
    write_tensors(dull / "model.safetensors", {name: 0 * value for name, value in tensors.items()})
    message = sentence(nsa("combine", dull, runs[1], "--output", tmp_path / "new"))
    assert "01-nsa gives all held-out normal images the same score" in message
    assert not (tmp_path / "new").exists()


def test_a_product_whose_images_are_gone_is_combined_without_a_test_set(
    one_epoch: Path, normals: Path, tmp_path: Path
) -> None:
    root, made = write_product(tmp_path / "data", train=4), []
    for seed in (0, 1):
        made.append(tmp_path / f"run{seed}")
        options = ("--data-root", root, "--config", one_epoch, "--seed", seed)
        assert nsa("train", *options, "--output", made[-1]).exit_code == 0
    shutil.rmtree(root)
    result = nsa("combine", *made, "--normals", normals, "--output", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "there is no test set" in result.stderr
    assert package.load(tmp_path / "new", "cpu").size == (72, 72)
