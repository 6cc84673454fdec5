"""The classic notebook, 6.4, as Debian has it."""

import re

import pytest

PATIENCE = 60_000


@pytest.fixture
def notebook(classic, page):
    page.set_default_timeout(PATIENCE)

    def write_and_open(*cells):
        name = classic.write("classic.ipynb", cells)
        page.goto("%s/notebooks/%s" % (classic.address, name))
        page.wait_for_selector(".kernel_idle_icon")
        page.wait_for_function("() => window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel"
                               " && Jupyter.notebook.kernel.is_connected()")
        return page

    return write_and_open


def run(page, number):
    start(page, number)
    page.wait_for_function("(n) => /\\[\\d+\\]/.test(document.querySelectorAll('.cell')[n]"
                           ".querySelector('.input_prompt').textContent)", arg=number)
    return output(page, number)


def start(page, number):
    page.locator(".cell").nth(number).locator(".CodeMirror").click()
    page.keyboard.press("Control+Enter")


def output(page, number):
    return "".join(page.locator(".cell").nth(number).locator(".output_subarea").all_inner_texts())


def wait_output(page, number, words):
    page.wait_for_function("([n, words]) => document.querySelectorAll('.cell')[n].textContent.includes(words)",
                           arg=[number, words])


def test_a_session_in_the_classic_notebook(notebook):
    page = notebook("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);", "import pandas as pd\npd.DataFrame({'a': [1]})",
                    "name = input('Who? ')\nprint('hello', name)", "import time\nwhile True: time.sleep(0.1)", "1 / 0",
                    "print('on')")
    assert page.locator("#kernel_logo_widget img").evaluate("(image) => image.naturalWidth") > 0
    run(page, 0)
    assert page.locator(".cell").nth(0).locator("img").evaluate("(image) => image.naturalWidth") > 300
    run(page, 1)
    assert page.locator("table td").all_inner_texts() == ["1"]
    start(page, 2)
    page.locator("input.raw_input").fill("World")
    page.keyboard.press("Enter")
    wait_output(page, 2, "hello World")
    start(page, 3)
    page.wait_for_timeout(700)
    page.locator("button[data-jupyter-action='jupyter-notebook:interrupt-kernel']").click()
    wait_output(page, 3, "KeyboardInterrupt")
    assert "ZeroDivisionError" in run(page, 4)
    assert page.locator(".ansi-red-fg").count() > 0
    assert re.fullmatch("on\n?", run(page, 5))
