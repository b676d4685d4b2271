"""What the Gaussian detector refuses at the command line."""

from pathlib import Path

import pytest
from tiny import GAUSSIAN, nsa, picture, sentence, train_gaussian, write, write_product


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--fpr", 0.01],
            "needs 99 held-out images, and of 20 training images",
        ),
        (["--fpr", 1.5], "fpr must be between 0 and 1"),
        (["--fpr", 0.3, "--holdout", 0], "holdout 0 holds none out; leave one of them out"),
        (["--holdout", 1], "holdout must be from 0 to below 1, got 1.0"),
        (["--holdout", 0.02], "0.02 of 20 training images is none; raise it, or set it to 0"),
        (["--holdout", 0.99], "leaves none of 20 images to train on"),
        (["--epochs", 3], "epochs cannot be set with --method gaussian"),
        (["--label", "binary", "--background", 3], "label, background cannot be set"),
        (["--distribution", "pca"], "distribution must be one of 'full', 'standardised'"),
        (["--network", "resnet19"], "did you mean 'resnet18'?"),
        (["--weights", "missing.pth"], "neither a file nor a run folder"),
        (["--precision", "fp16"], "precision must be"),
        (["--seed", -1], "seed must be"),
        (["--augment", -1], "augment must be a number from 0"),
    ],
)
def test_what_training_refuses(
    arguments: list[object], message: str, more_data: Path, small_gaussian: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    result = train_gaussian(more_data, small_gaussian, output, *arguments)
    assert message in sentence(result)
    assert not output.exists()


@pytest.mark.parametrize("option", ["network", "weights", "distribution", "augment"])
def test_options_of_the_gaussian_detector_need_its_method(
    option: str, more_data: Path, tmp_path: Path
) -> None:
    value = {"augment": 3}.get(option, "resnet18")
    result = nsa(
        "train", "--data-root", more_data, f"--{option}", value, "--output", tmp_path / "run"
    )
    assert f"'{option}' is an option of --method gaussian" in sentence(result)


def test_a_gaussian_run_has_no_epochs(gaussian_run: Path) -> None:
    resumed = nsa("train", "--resume", gaussian_run, "--distribution", "l2", "--category", "x")
    assert "--distribution, --category cannot change in a run" in sentence(resumed)
    assert "epochs cannot be set" in sentence(nsa("train", "--resume", gaussian_run, "--epochs", 3))


def test_one_image_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    write_product(tmp_path, train=1)
    common = ("train", *GAUSSIAN, "--data-root", tmp_path, "--output", tmp_path / "run")
    assert "needs at least two normal images to fit, got 1" in sentence(nsa(*common))
    assert not (tmp_path / "run").exists()


def test_equal_images_are_told(small_gaussian: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        pixels = picture(1)[0]
        pixels[40, 40] += name == "b.png"  # lost in the smaller image that is fitted
        write(tmp_path / "images" / name, pixels)
    result = nsa(
        "train", *GAUSSIAN, "--normal-dir", tmp_path / "images", "--config", small_gaussian,
        "--output", tmp_path / "run",
    )  # fmt: skip
    assert "have the same features" in sentence(result)
    assert not (tmp_path / "run").exists()  # so that the same command works with others
