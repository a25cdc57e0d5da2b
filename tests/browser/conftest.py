from collections.abc import Iterator

import pytest
from lab import ROOT, Lab, serve
from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = ROOT / "tests" / "browser"
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("browser")
    # Last, because Playwright keeps an event loop running in this thread, under which no other test could run its own.
    items.sort(key=lambda item: item.path.is_relative_to(here))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the lessons: `with lab.open("01_degradation.ipynb") as notebook`."""
    with serve(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def browser(lab: Lab) -> Browser:
    """The Lab's own browser, for pages without a kernel: a process can have one Playwright."""
    return lab.browser


@pytest.fixture(autouse=True)
def no_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test of a module's `notebook`, its page shows no traceback, and its console no error."""
    yield
    if "notebook" in request.fixturenames:
        notebook = request.getfixturevalue("notebook")
        assert notebook.failures() == []
        assert notebook.errors == []


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    """JupyterLab's theme: a test that asks for it runs in both."""
    return request.param
