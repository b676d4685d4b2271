"""NSA inside anomalib: trained, tested, predicted with and exported by its own engine."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import nsa
from nsa.detectors.network.folder import open_run
from nsa.errors import InputError
from nsa.images import demo, read_image, to_network_input
from nsa.model._torchvision import torchvision_module
from nsa.training.profile import NO_CLOCK
from nsa.training.schedule import learning_rate
from nsa.training.update import Updater

if importlib.util.find_spec("anomalib") is None:
    pytest.skip("pip install 'nsa[anomalib]'", allow_module_level=True)
with warnings.catch_warnings():  # of what it imports
    warnings.simplefilter("ignore")
    torchvision_module("models")
    from anomalib.data import Folder
    from anomalib.engine import Engine
    from anomalib.models import Draem, Supersimplenet
    from lightning.pytorch import Callback

    from nsa.integrations.anomalib import (
        AnomalousImages,
        KeptFeatures,
        Nsa,
        NSAAnomalyGenerator,
        NsaRun,
    )

# Its own warnings and those of what it is made of; ours stay errors.
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.filterwarnings(
        "ignore:::(anomalib|lightning|torch|torchmetrics|timm|onnx|copyreg)"
    ),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec"),
]
SMALL = {"images": {"size": [96, 96]}}


@pytest.fixture(scope="module")
def flange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.write(
        tmp_path_factory.mktemp("demo"), "flange", train=25, test_good=8, test_defective=8,
        progress=False,
    )  # fmt: skip


def folder_of(root: Path, **options: Any) -> Any:
    defects = sorted(path.name for path in (root / "test").iterdir() if path.name != "good")
    return Folder(
        "flange", "train/good", root, [f"test/{name}" for name in defects], "test/good",
        [f"ground_truth/{name}" for name in defects], eval_batch_size=8, num_workers=0, seed=0,
        **{"train_batch_size": 8, **options},
    )  # fmt: skip


def engine_in(folder: Path, **options: Any) -> Any:
    return Engine(
        default_root_dir=folder, accelerator="cpu", devices=1, enable_progress_bar=False, **options
    )


class Rates(Callback):
    """Notes the learning rate and the weights' change of every epoch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_epoch_start(self, trainer: Any, _: Any) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.fixture(scope="module")
def trained(flange: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any, Any]:
    """A trained model, its engine, its metrics and the learning rates of its epochs."""
    torch.manual_seed(0)
    model, rates = Nsa(kind="object", epochs=16, options=SMALL), Rates()
    engine = engine_in(tmp_path_factory.mktemp("results"), callbacks=[rates])
    data = folder_of(flange)  # 25 images in batches of 8: the last one is alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [metrics] = engine.train(model, datamodule=data)
    return model.eval(), engine, metrics, rates.seen


def test_it_learns_by_its_own_schedule(trained: tuple[Any, Any, Any, Any]) -> None:
    model, engine, metrics, rates = trained
    assert metrics["pixel_AUROC"] > 0.7, metrics
    assert rates == [
        pytest.approx(learning_rate(model.settings.training, epoch)) for epoch in range(16)
    ]
    assert engine.trainer.max_epochs == 16
    assert not torch.isnan(model.post_processor.image_threshold)


def test_it_predicts(trained: tuple[Any, Any, Any, Any], flange: Path) -> None:
    model, engine, _, _ = trained
    batches = engine.predict(model, data_path=flange / "test" / "good")
    maps = torch.cat([batch.anomaly_map for batch in batches])
    assert maps.shape == (8, 96, 96)
    assert 0 <= float(maps.min()) <= float(maps.max()) <= 1
    assert batches[0].pred_label.dtype == torch.bool


def test_a_checkpoint_gives_the_same_model(trained: tuple[Any, Any, Any, Any]) -> None:
    model, engine, _, _ = trained
    again = Nsa.load_from_checkpoint(engine.best_model_path, map_location="cpu").eval()
    assert again.settings == model.settings
    images = torch.rand(2, 3, 96, 96)
    for one, other in zip(again(images), model(images), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["torch", "onnx", "openvino"])
@pytest.mark.parametrize("size", [(96, 96), (320, 240)])
def test_an_exported_file_gives_the_same_maps(
    trained: tuple[Any, Any, Any, Any], kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    model, engine, _, _ = trained
    images = torch.rand(3, 3, *size)
    with torch.no_grad():
        expected = model(images)
    if kind == "openvino":
        openvino = pytest.importorskip("openvino", reason="pip install 'anomalib[openvino]'")
    path = engine.export(model, kind, export_root=tmp_path)
    if kind == "torch":
        with torch.no_grad():
            found = torch.load(path, weights_only=False)["model"].eval()(images)._asdict()
    elif kind == "onnx":
        runtime = pytest.importorskip("onnxruntime", reason="pip install 'nsa[export]'")
        session = runtime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        found = dict(zip(names, session.run(None, {"input": images.numpy()}), strict=True))
    else:
        exact = {"INFERENCE_PRECISION_HINT": "f32"}  # not bfloat16, which processors may have
        found = openvino.compile_model(path, "CPU", exact)(images.numpy())
    for name in ("anomaly_map", "pred_score"):
        values = torch.as_tensor(np.asarray(found[name]))
        assert torch.allclose(values, getattr(expected, name), atol=2e-3), name
    assert float(expected.anomaly_map.std()) > 0.01


def test_a_step_is_that_of_nsa_train(flange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Nsa(kind="object", options=SMALL)
    own = copy.deepcopy(model.model.network)
    paths = sorted((flange / "train" / "good").iterdir())[:4]
    images = torch.stack(
        [torch.from_numpy(read_image(path)[:96, :96].copy()).permute(2, 0, 1) for path in paths]
    )
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    optimizer = model.configure_optimizers()["optimizer"]
    torch.manual_seed(5)
    loss = model.training_step(type("Batch", (), {"image": images / 255}), 0)
    loss.backward()
    settings = model.settings
    update = Updater(
        own, settings.images, settings.training,
        device=torch.device("cpu"), precision="fp32", unbounded=False,
    )  # fmt: skip
    torch.manual_seed(5)
    pixels, labels = model.make_batch(images / 255)
    assert pixels.dtype == torch.uint8
    assert torch.equal(loss.detach(), update(pixels, labels, NO_CLOCK))
    assert optimizer.defaults == update.optimizer.defaults
    for mine, theirs in zip(model.model.network.parameters(), own.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)


def test_maps_are_those_of_the_network(flange: Path) -> None:
    model = Nsa("bottle", options=SMALL | {"images": {"size": [96, 96], "center_crop": None,
                                                      "crop": [96, 96]}}).eval()  # fmt: skip
    levels = torch.randint(256, (2, 3, 96, 96), dtype=torch.uint8)
    with torch.no_grad():
        found = model.model(levels / 255)
        expected = model.model.network.predict(to_network_input(levels, model.settings.images))
    assert torch.allclose(found.anomaly_map, expected, atol=1e-5)
    assert torch.allclose(found.pred_score, expected.mean((1, 2, 3)), atol=1e-5)
    del flange


def test_settings_are_those_of_nsa_train(network_run: Path, more_data: Path) -> None:
    values = yaml.safe_load((network_run / "config.yaml").read_text())
    settings = open_run(network_run).settings
    assert Nsa(options=values).settings == settings
    good = more_data / "disc" / "train" / "good"
    options = {name: values[name] for name in ("kind",)} | {
        "images": {"size": [72, 72], "center_crop": None, "crop": [64, 64], "rotation": 0},
        "synthesis": {"background": None},
        "training": {"epochs": 1, "batch_size": 4, "optimizer": "adam"},
    }  # fmt: skip
    assert Nsa.suited_to(good, **options).settings == settings
    assert Nsa("screw").settings.training.epochs == 560
    assert Nsa("screw").settings.recipe == "paper"
    tuned = Nsa(kind="texture").settings
    assert (tuned.recipe, tuned.training.skips, tuned.images.brightness) == ("tuned", True, 0.2)
    assert tuned.images.size != tuned.test_size


def test_textures_are_seen_larger_in_training() -> None:
    model = Nsa(kind="texture")
    batch = type("Batch", (), {"image": torch.rand(2, 3, 100, 120), "gt_mask": None})()
    model.pre_processor.on_train_batch_start(None, model, batch, 0)
    assert batch.image.shape == (2, 3, 264, 264)
    assert model.make_batch(batch.image)[0].shape == (2, 3, 256, 256)
    assert model.pre_processor(batch.image).shape == (2, 3, 256, 256)


def test_grey_networks_take_colour_images() -> None:
    model = Nsa("rcxr_male").eval()
    grey = torch.rand(2, 1, 256, 256)
    with torch.no_grad():
        found = model.model(grey.expand(2, 3, 256, 256)).anomaly_map
        levels = grey * 255 * model.model.judge.scale + model.model.judge.shift
        assert torch.allclose(found, model.model.network.predict(levels), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epocs": 3}, "did you mean 'epochs'"),
        ({"method": "gaussian"}, "NsaRun opens a finished run"),
        ({"size": 512}, "size and crop are for images of their own shape"),
        ({"images": {"resize": "none", "center_crop": None}}, "anomalib's images have one size"),
    ],
)
def test_other_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Nsa(options=options)


def test_batches_of_one_image_are_refused(flange: Path, tmp_path: Path) -> None:
    model = Nsa(epochs=1, options=SMALL)
    with pytest.raises(InputError, match="larger train_batch_size"):
        engine_in(tmp_path).fit(model, datamodule=folder_of(flange, train_batch_size=1))


@pytest.mark.parametrize("method", ["network_run", "gaussian_run"])
def test_a_finished_run_is_tested_and_exported(
    method: str, request: pytest.FixtureRequest, flange: Path, tmp_path: Path
) -> None:
    run = request.getfixturevalue(method)
    model, detector = NsaRun(run).eval(), nsa.load(run, "cpu")
    engine = engine_in(tmp_path)
    [metrics] = engine.test(model, datamodule=folder_of(flange))
    assert {"image_AUROC", "pixel_AUROC"} <= metrics.keys()
    assert not torch.isnan(model.post_processor.image_threshold)
    levels = torch.randint(256, (2, 3, *detector.size), dtype=torch.uint8)
    maps, scores = detector.predict(levels)
    with torch.no_grad():
        found = model.model(levels / 255)
    scale = float(maps.abs().max())
    assert torch.allclose(found.anomaly_map, maps, atol=1e-4 * scale)
    assert torch.allclose(found.pred_score, scores.float(), rtol=1e-3)
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'nsa[export]'")
    session = runtime.InferenceSession(engine.export(model, "onnx", export_root=tmp_path))
    names = [output.name for output in session.get_outputs()]
    exported = dict(zip(names, session.run(None, {"input": (levels / 255).numpy()}), strict=True))
    with torch.no_grad():
        expected = model(levels / 255).anomaly_map.numpy()
    assert np.abs(exported["anomaly_map"] - expected).max() < 2e-3


def textured(count: int) -> Tensor:
    images = torch.nn.functional.interpolate(torch.rand(count, 3, 20, 20), (64, 64))
    return images + torch.rand(count, 3, 64, 64) * 0.001 / (1 + images)  # between grey levels


def test_masks_agree_with_what_has_changed() -> None:
    images = textured(8).clamp(0, 1)
    before = images.clone()
    changed, masks = NSAAnomalyGenerator(probability=1.0)(images)
    assert torch.equal(images, before)
    assert (masks.shape, masks.dtype) == ((8, 1, 64, 64), torch.float32)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    levels = [(one * 255).round().to(torch.uint8) for one in (images, changed)]
    apart = (levels[0].int() - levels[1].int()).abs().sum(1, keepdim=True)
    assert torch.equal(masks, nsa.difference_label(*levels, (apart > 0), label="binary"))
    untouched = (apart == 0).expand_as(images)
    assert torch.equal(changed[untouched], images[untouched])
    assert float(apart[masks == 0].float().mean()) < float(apart[masks == 1].float().mean()) / 20


def test_a_share_of_images_is_changed() -> None:
    torch.manual_seed(0)
    images = textured(64)
    changed, masks = NSAAnomalyGenerator(category="carpet", probability=0.25)(images.bfloat16())
    assert changed.dtype == torch.bfloat16
    marked = masks.flatten(1).any(1)
    assert 6 <= int(marked.sum()) <= 28
    assert torch.equal(changed[~marked], images.bfloat16()[~marked])
    same, none = NSAAnomalyGenerator(probability=0.0)(images)
    assert torch.equal(same, images)
    assert not none.any()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(3, 64, 64), r"patches of other images.*\(3, 64, 64\)"),
        (torch.rand(2, 3, 64, 64) * 255, r"in \[0, 1\], got .* leave Normalize out"),
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), "float .N, C, H, W"),
    ],
)
def test_other_images_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NSAAnomalyGenerator()(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 1.5}, "from 0 to 1"),
        ({"label": "logistic"}, "leave out label"),
        ({"category": "bottle", "config": nsa.SynthesisConfig()}, "leave one of them out"),
        ({"category": "botle"}, "did you mean 'bottle'"),
    ],
)
def test_other_generators_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NSAAnomalyGenerator(**options)


class Noted(NSAAnomalyGenerator):
    """Counts what it has made."""

    calls = 0
    marked = 0.0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        changed, masks = super().forward(images)
        self.calls, self.marked = self.calls + 1, self.marked + float(masks.sum())
        return changed, masks


def test_draem_trains_with_it(flange: Path, tmp_path: Path) -> None:
    size = Draem.configure_pre_processor((64, 64))
    model = Draem(dtd_dir=tmp_path, pre_processor=size)
    model.augmenter = Noted(probability=1.0)
    before = copy.deepcopy(model.model.state_dict())
    engine = engine_in(tmp_path, max_steps=3, limit_val_batches=0)
    engine.fit(model, datamodule=folder_of(flange, train_batch_size=4))
    assert model.augmenter.calls == 3
    assert model.augmenter.marked > 0
    after = model.model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert bool(torch.isfinite(engine.trainer.callback_metrics["train_loss"]))


@pytest.mark.parametrize("alone", [True, False])
def test_super_simple_net_trains_on_its_images(
    alone: bool, flange: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm

    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, **more: create(name, **{**more, "pretrained": False})
    )
    size = Supersimplenet.configure_pre_processor((128, 128))  # its noise needs 32 features a side
    model = Supersimplenet(backbone="resnet18", supervised=True, pre_processor=size)
    if alone:
        model.model.anomaly_generator = KeptFeatures()
    targets: list[tuple[Tensor, Tensor]] = []
    losses = model.loss

    class Targets(torch.nn.Module):
        def forward(self, **given: Tensor) -> Tensor:
            targets.append((given["target_mask"], given["target_label"]))
            return losses(**given)

    model.loss = Targets()
    anomalies = AnomalousImages(Noted(probability=1.0))
    engine = engine_in(tmp_path, max_steps=3, limit_val_batches=0, callbacks=[anomalies])
    engine.fit(model, datamodule=folder_of(flange, train_batch_size=4))
    assert anomalies.generator.calls == len(targets) == 3
    assert all(len(labels) == (4 if alone else 8) for _, labels in targets)
    assert max(float(masks.sum()) for masks, _ in targets) > 0
    if alone:  # the masks are NSA's own, at the features' resolution
        for masks, labels in targets:
            assert (masks.flatten(1).any(1) <= labels.bool()).all()
