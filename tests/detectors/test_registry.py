"""The methods there are, and what a training is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsa.detectors.gaussian.request import GaussianRequest
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.registry import find_method, methods, read_request, train_options
from nsa.errors import InputError
from nsa.settings.methods import METHODS


def test_every_value_of_method_is_known() -> None:
    assert list(methods())[: len(METHODS)] == list(METHODS)
    assert "gaussian" in methods()
    assert find_method(None) is find_method("nsa") is find_method("pii")
    assert find_method("gaussian") is not find_method("nsa")


@pytest.mark.parametrize("name", ["gausian", "Gaussian"])
def test_a_misspelt_method_is_corrected(name: str) -> None:
    with pytest.raises(InputError, match=r"No method is named .*; did you mean 'gaussian'\?"):
        find_method(name)


def test_something_else_lists_all_methods() -> None:
    with pytest.raises(InputError, match=r"there are cutpaste, .*gaussian"):
        find_method("zzz")
    with pytest.raises(InputError, match="No method is named 7"):
        read_request({"method": 7})


def test_the_method_decides_about_the_request(tmp_path: Path) -> None:
    assert read_request({}) == NetworkRequest()
    assert read_request({"method": "pii", "epochs": 3}) == NetworkRequest(method="pii", epochs=3)
    asked = {"method": "gaussian", "fpr": 0.1, "gaussian": {"size": [64, 64]}}
    assert read_request(asked) == GaussianRequest(
        method="gaussian", fpr=0.1, gaussian={"size": [64, 64]}
    )
    path = tmp_path / "o.yaml"
    path.write_text("method: gaussian\nseed: 3\nfpr: 0.2\n")
    assert read_request({"seed": 4}, path) == GaussianRequest(method="gaussian", seed=4, fpr=0.2)


def test_every_option_of_a_training_is_offered_once() -> None:
    options = train_options()
    assert list(options)[:4] == ["data_root", "category", "normal_dir", "method"]
    assert {"epochs", "label", "fpr", "holdout"} <= set(options)
    assert options["epochs"][0] is NetworkRequest
    assert options["distribution"][0] is GaussianRequest


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"network": "resnet18"}, "'network' is an option of --method gaussian; add that.$"),
        (
            {"method": "pii", "augment": 1},
            "augment cannot be set with --method nsa, which trains a network on synthetic "
            "anomalies; leave it out.",
        ),
        ({"gaussian": {}}, "'gaussian' is an option of --method gaussian"),
        (
            {"method": "gaussian", "epochs": 3, "label": "binary"},
            "epochs, label cannot be set with --method gaussian, which fits its features in one "
            "pass without synthetic anomalies; leave it out",
        ),
        ({"method": "gaussian", "synthesis": {}}, "synthesis cannot be set with --method gaussian"),
    ],
)
def test_options_of_another_method_are_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_request(asked)


def test_an_unknown_name_is_corrected(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text("epoch: 3\n")
    with pytest.raises(InputError, match=r"o\.yaml has an unknown key 'epoch'; did you mean 'epo"):
        read_request({}, path)
    path.write_text("zzzz: 3\n")
    with pytest.raises(InputError, match=r"known are data_root, .*format_version"):
        read_request({}, path)
    path.write_text("fprr: 3\n")
    with pytest.raises(InputError, match="did you mean 'fpr'"):
        read_request({}, path)
