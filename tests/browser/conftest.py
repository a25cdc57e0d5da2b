from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from lab import ROOT, Lab, serve
from playwright.sync_api import Browser, Page

from reslab.cli import main

LONGEST = ("test_look.py", "test_lesson_01.py", "test_lesson_08.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = ROOT / "tests" / "browser"
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("browser")
    # Last, because Playwright keeps an event loop running in this thread, under which no other test could run its own.
    # Of these, the longest files first: at the end, one worker would wait for the other.
    items.sort(key=lambda item: (item.path.is_relative_to(here), item.path.name not in LONGEST))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the lessons: `with lab.open("01_degradation.ipynb") as notebook`."""
    with serve(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def browser(lab: Lab) -> Browser:
    """The Lab's own browser, for pages without a kernel: a process can have one Playwright."""
    return lab.browser


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lesson 00's page, as `reslab page` writes it."""
    file = tmp_path_factory.mktemp("page") / "stage.html"
    done = CliRunner().invoke(main, ["page", "00", "--output", str(file)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "open it in a browser" in done.output
    return file


@pytest.fixture
def show(browser: Browser, file: Path) -> Iterator[Callable[..., Page]]:
    """show(question, width, height, theme) opens the page → Playwright's page; at the end, its console had no error."""
    contexts, messages, asked = [], [], []

    def opened(question="still", width=1280, height=720, theme="light", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{file.as_uri()}?{question}")
        page.wait_for_function("window.stage && document.querySelector('.stage .shell')")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert messages == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


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
