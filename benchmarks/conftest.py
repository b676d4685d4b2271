"""The regime of every benchmark: one core, unless ``@pytest.mark.threads`` asks for more."""

import cv2
import pytest
import torch
from common import cores


def pytest_configure(config):
    config.addinivalue_line("markers", "threads(count): cores to use; 0 means all, default 1")


@pytest.fixture(autouse=True)
def threads(request):
    """Every library to the same number of threads; recorded beside the time."""
    marker = request.node.get_closest_marker("threads")
    count = (marker.args[0] if marker else 1) or cores()
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)  # nsa follows torch
    cv2.setNumThreads(count)
    if "benchmark" in request.fixturenames:
        request.getfixturevalue("benchmark").extra_info["threads"] = count
    yield count
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
