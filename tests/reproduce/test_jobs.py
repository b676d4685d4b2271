"""Which jobs a request needs."""

import logging
import shutil
from pathlib import Path

import pytest

from nsa.reproduce.nsa.jobs import plan_jobs
from nsa.reproduce.request import ReproduceRequest


def test_xrays_given_as_lists(data: Path, tmp_path: Path) -> None:
    good = sorted((data / "disc" / "train" / "good").iterdir())
    bad = sorted((data / "disc" / "test" / "spot").iterdir())
    (tmp_path / "images").mkdir()
    names = []
    for index, path in enumerate([*good, *bad]):
        names.append(f"{index:03d}{path.suffix}")
        shutil.copy(path, tmp_path / "images" / names[-1])
    for sex in ("male", "female"):
        lists = tmp_path / f"rcxr_{sex}"
        lists.mkdir()
        for name, chosen in (("normal_train", names[:6]), ("normal_test", names[6:9]),
                             ("abnormal_test", names[9:])):  # fmt: skip
            (lists / f"{name}.txt").write_text("\n".join(chosen))
    request = ReproduceRequest(data_root=tmp_path, output=Path(), seeds=(0, 1))
    jobs = plan_jobs(request)
    assert len(jobs) == 6 * 2 * 2  # the systems of Table 3, sexes, seeds
    assert {job.settings.images.channels for job in jobs} == {1}
    assert {job.preset_epochs for job in jobs} == {240}
    assert [job.seed for job in jobs] == [0] * 12 + [1] * 12


def test_ablation_a_is_left_out_without_object_masks(
    data: Path, one_epoch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nsa")
    request = ReproduceRequest(
        data_root=data, output=Path(), categories=("disc",), seeds=(0,), tables=("7",),
        config=one_epoch,
    )  # fmt: skip
    names = [job.system.name for job in plan_jobs(request)]
    assert names == [
        f"nsa_logistic{v}" for v in ("", "_single_patch", "_cutpaste_shapes", "_ellipses")
    ]
    assert len({job.hash for job in plan_jobs(request)}) == 4
    assert "Settings estimated from the images of 'disc': " in caplog.text
    assert "(Set others by a --config file.)" in caplog.text  # it has no other option for that
