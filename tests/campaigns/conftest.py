import pytest


def pytest_addoption(parser):
    parser.addoption("--effort", type=float, default=1.0)


@pytest.fixture(scope="session")
def effort(pytestconfig):
    return pytestconfig.getoption("effort", default=1.0)
