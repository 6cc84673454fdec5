"""Notebook 7: the same parts of a front end, another frame around them."""

import pytest
from lab import Notebook


@pytest.fixture
def notebook(lab, page):
    return lambda *cells: Notebook(page, lab, lab.write("seven.ipynb", cells), "notebooks")


def test_a_session_in_notebook_7(notebook, page):
    one = notebook("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);", "name = input('Who? ')\nprint('hello', name)",
                   "import time\nwhile True: time.sleep(0.1)", "1 / 0", "print('on')")
    one.run(0)
    assert one.cell(0).locator("img").evaluate("(image) => image.naturalWidth") > 400
    one.start(1)
    box = page.wait_for_selector("input.jp-Stdin-input")
    box.fill("World")
    box.press("Enter")
    one.wait_text(1, "hello World")
    one.start(2)
    page.wait_for_timeout(700)
    one.button("interrupt")
    one.wait_text(2, "KeyboardInterrupt")
    assert "ZeroDivisionError" in one.run(3)
    assert one.run(4) == "on\n"
