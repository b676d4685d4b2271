"""What the server says of images is what the detector says of them alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import PNG, plain, png, sentence_of, serving
from tiny import nsa, picture

import nsa as package
from nsa.detectors.detector import Detector
from nsa.report.overlay import outline, overlay
from nsa.runs.decisions import Decisions
from nsa.runs.regions import find_regions


@pytest.fixture(scope="module")
def detector(network_run: Path, normals: Path) -> Detector:
    """Of a calibrated run."""
    assert nsa("calibrate", network_run, normals, "--device", "cpu").exit_code == 0
    return package.load(network_run, "cpu")


@pytest.fixture(scope="module")
def decisions(detector: Detector, network_run: Path) -> Decisions:
    found = Decisions.of(network_run, detector, fpr=0.1)
    assert found is not None
    assert found.pixels is not None
    return found


@pytest.fixture(scope="module")
def client(detector: Detector, decisions: Decisions) -> Iterator[httpx.Client]:
    with serving(detector, decisions) as client:
        yield client


def _images() -> list[np.ndarray]:
    """Of several shapes and both kinds."""
    images = [picture(700 + number, defect=number % 2 == 1)[0] for number in range(20)]
    for number in range(0, 20, 5):
        images[number] = np.ascontiguousarray(images[number][:70])
    return images


def test_twenty_parallel_requests_are_answered_as_one_by_one(client, detector, decisions):
    images = _images()

    def ask(image: np.ndarray) -> dict:
        answer = client.post("/predict", content=png(image), headers=PNG)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, images))
    alone = [detector.judge([image])[0] for image in images]
    near = 1e-4 * max(one.score for one in alone)  # Detector.rounding
    for image, answer, judged in zip(images, answers, alone, strict=True):
        assert (answer["height"], answer["width"]) == image.shape[:2]
        assert answer["raw_score"] == pytest.approx(judged.score, abs=near)
        assert answer["predicted"] == decisions.label(answer["raw_score"])
        assert answer["score"] == decisions.score(answer["raw_score"])
        assert 0 <= answer["score"] <= 1
        assert (answer["threshold"], answer["fpr"]) == (decisions.threshold, 0.1)
        assert (answer["region_limit"], answer["region_rate"]) == ("fpr", 0.1)
        expected = find_regions(judged.map, decisions.pixels.threshold)
        assert answer["region_count"] == len(expected)
        for found, region in zip(answer["regions"], expected, strict=True):
            assert tuple(found.values()) == pytest.approx(tuple(region), rel=1e-4)


def test_the_picture_is_that_of_predict(client, detector, decisions):
    image = picture(801, defect=True)[0]
    asked = client.post("/predict?picture=true&regions=0", content=png(image), headers=PNG)
    answer = asked.json()
    assert answer["regions"] == []
    drawn = cv2.imdecode(
        np.frombuffer(base64.b64decode(answer["picture"]), np.uint8), cv2.IMREAD_COLOR
    )
    [judged] = detector.judge([image])
    expected = overlay(image, judged.map, detector.map_range[1], detector.map_range[0])
    outline(expected, judged.map > decisions.pixels.threshold)
    assert np.abs(drawn[:, :, ::-1].astype(int) - expected).max() <= 1


def test_a_form_has_one_answer_or_a_list_in_order(client):
    good, other = (png(picture(900 + number)[0]) for number in range(2))
    one = client.post("/predict", files=[("file", ("a.png", good))]).json()
    assert (one["name"], one["model"]) == ("a.png", "the-run")
    parts = [("a.png", good), ("b.png", b"nothing"), ("c.png", plain(0, (200, 200))), ("d", other)]
    answer = client.post("/predict", files=[("file", part) for part in parts])
    assert answer.status_code == 200
    first, second, third, fourth = answer.json()
    assert (first["name"], first["raw_score"]) == ("a.png", pytest.approx(one["raw_score"]))
    assert second == {
        "name": "b.png",
        "status": 422,
        "detail": "b.png cannot be read: it is not an image or is damaged.",
    }
    assert (third["name"], third["status"]) == ("c.png", 413)
    assert fourth["name"] == "d"


def test_a_run_that_is_not_calibrated_labels_nothing(detector):
    with serving(detector) as client:
        assert client.get("/healthz").json()["calibrated"] is False
        answer = client.post("/predict", content=png(picture(1)[0]), headers=PNG).json()
        text = client.get("/metrics").text
    decided = [answer[name] for name in ("predicted", "score", "threshold", "fpr")]
    assert decided == [None] * 4
    assert (answer["region_limit"], answer["region_rate"]) == ("quantile", 0.99)
    assert 'nsa_images_total{predicted="undecided"} 1.0' in text


def test_metrics_are_those_of_prometheus_and_count(detector, decisions):
    with serving(detector, decisions) as client:
        for number in range(3):
            assert client.post("/predict", content=png(picture(number)[0]), headers=PNG).is_success
        sentence_of(client.post("/predict", content=b"?", headers=PNG), 422)
        client.get("/of-any-name")
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = [
        sample for one in text_string_to_metric_families(answer.text) for sample in one.samples
    ]
    values = {(one.name, *one.labels.values()): one.value for one in samples}
    assert values["nsa_requests_total", "/predict", "200"] == 3
    assert values["nsa_requests_total", "/predict", "422"] == 1
    assert values["nsa_requests_total", "other", "404"] == 1
    assert values["nsa_request_seconds_count",] == 4
    assert values["nsa_batch_images_sum",] == 3
    assert values["nsa_queue_images",] == values["nsa_images_in_flight",] == 0
    judged = [one.value for one in samples if one.name == "nsa_images_total"]
    assert sum(judged) == 3


def test_health_and_description(client):
    health = client.get("/healthz")
    assert health.status_code == 200
    assert health.json() == {
        "status": "ok", "run": "the-run", "version": package.__version__, "calibrated": True,
        "fpr": 0.1,
    }  # fmt: skip
    described = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    assert "multipart/form-data" in described["requestBody"]["content"]
    assert set(described["responses"]) >= {"200", "413", "415", "422", "503"}
    assert client.get("/").json()["predict"] == "POST /predict"
    assert client.get("/docs").status_code == 404  # which would load scripts from elsewhere
