"""`lab`, `classic`: Jupyter's servers; `page`: a page of headless Chromium whose console is watched."""

import pathlib
import re
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from support import kernels, pypi  # noqa: E402

SCREENSHOTS = HERE.parents[1] / "build" / "screenshots"

# Of what a browser's console holds, what doesn't stem from a kernel: pages' icons, the servers' own optional parts.
NOT_OURS = re.compile("favicon|service.?worker|manifest|404 \\(Not Found\\)|403 \\(Forbidden\\)|WebSocket|Autofill|"
                      "Failed to load resource|nbextensions/widgets|filebrowser:open-path")


# Of a module each, so that they end before the session's last look for leftovers.
@pytest.fixture(scope="module")
def browser():
    pypi.need()
    if not shutil.which("chromium"):
        pytest.skip("no chromium")
    sys.path.append(str(pypi.packages()))
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def screenshots():
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


def _server(make):
    place = kernels.Place()
    server = None
    try:
        server = make(place)
        yield server
    finally:
        left = server.stop() if server else {}
        place.remove()
    assert not left, "outlived the server: %s" % left


@pytest.fixture(scope="module")
def lab(browser):
    import servers
    yield from _server(servers.jupyterlab)


@pytest.fixture(scope="module")
def classic(browser):
    import servers
    yield from _server(servers.classic)


@pytest.fixture
def kernels_end(request):
    """After the page that shows them."""
    yield
    for name in ("lab", "classic"):
        if name in request.fixturenames:
            request.getfixturevalue(name).end_kernels()


@pytest.fixture
def page(kernels_end, browser, request, screenshots):
    """A page of its own; the test fails on an error in its console that may stem from us."""
    made = browser.new_page(viewport={"width": 1280, "height": 1500})
    errors = []
    made.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    made.screenshot(path=screenshots / (re.sub(r"\W+", "-", request.node.name).strip("-") + ".png"))
    made.close()
    mark = request.node.get_closest_marker("console_says")
    found = [text for text in errors if not NOT_OURS.search(text) and not (mark and re.fullmatch(mark.args[0], text))]
    assert not found, "in the browser's console: %s" % found
