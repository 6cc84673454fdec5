"""JupyterLab's debugger, by mouse and keyboard."""

import pytest
from lab import PANEL, Notebook

CELL = "def add(a, b):\n    total = a + b\n    return total\n\nresult = add(20, 22)\nprint(result)"
ON = PANEL + " .jp-DebuggerBugButton"
FRAME = ".jp-DebuggerCallstackFrame"


@pytest.fixture
def notebook(lab, page):
    return Notebook(page, lab, lab.write("debugged.ipynb", [CELL, "print('on')"]))


def turn_on(one):
    one.page.locator(ON + "[aria-disabled=false]").first.click()  # once JupyterLab knows that there is a debugger
    one.page.wait_for_selector(ON + "[aria-pressed=true]")
    one.cell(0).locator(".cm-breakpoint-gutter").wait_for(state="attached")


def break_at(one, line):
    """A click in the gutter beside that line, from 1."""
    text = one.cell(0).locator(".cm-line").nth(line - 1).bounding_box()
    gutter = one.cell(0).locator(".cm-breakpoint-gutter").bounding_box()
    one.page.mouse.click(gutter["x"] + gutter["width"] / 2, text["y"] + text["height"] / 2)
    one.page.wait_for_selector(".jp-DebuggerBreakpoint")


def press(page, name):
    page.locator(".jp-DebuggerSidebar jp-button[title^='%s']" % name).first.click()


def wait_variable(one, words):
    one.page.wait_for_function(
        "(words) => { const e = document.querySelector('.jp-DebuggerVariables');"
        " return e && words.every((w) => e.innerText.includes(w)); }", arg=words)


def test_a_breakpoint_in_the_gutter_shows_the_cells_variables(notebook, page, screenshots):
    one = notebook
    turn_on(one)
    break_at(one, 3)
    one.start(0)
    page.wait_for_selector(FRAME)
    frames = page.locator(FRAME).all_inner_texts()
    assert len(frames) == 2 and "add" in frames[0], frames
    wait_variable(one, ["total", "42", "a", "20"])
    assert one.prompt(0).strip() == "[*]:"
    page.screenshot(path=screenshots / "debugger.png")
    press(page, "Next")
    wait_variable(one, ["result", "42"])  # back in the caller; JupyterLab loses a click that comes before this
    press(page, "Continue")
    one.wait_done(0)
    assert one.text(0) == "42\n"
    wait_variable(one, ["result", "42"])
    page.locator(ON).first.click()
    page.wait_for_selector(ON + "[aria-pressed=false]")
    assert one.run(0) == "42\n"


@pytest.mark.long
def test_stop_at_a_breakpoint_ends_the_cell_and_the_next_run_stops_again(notebook, page):
    one = notebook
    turn_on(one)
    break_at(one, 3)
    for _ in range(2):
        one.start(0)
        page.wait_for_selector(FRAME)
        one.button("interrupt")
        one.wait_text(0, "KeyboardInterrupt")
        page.wait_for_selector(FRAME, state="detached")
    assert one.run(1) == "on\n"


def restart(one, *names):
    one.menu("Kernel", *names)
    one.accept()


@pytest.mark.long
def test_breakpoints_hold_after_a_restart(notebook, page):
    """JupyterLab 4.4 turns its debugger off at a plain restart, newer ones keep it on: with any kernel."""
    one = notebook
    turn_on(one)
    break_at(one, 3)
    restart(one, "Restart Kernel and Debug…")  # which runs the cells, too
    page.wait_for_selector(FRAME)
    wait_variable(one, ["total", "42"])
    press(page, "Continue")
    one.wait_done(0)
    restart(one, "Restart Kernel…")
    page.wait_for_timeout(5000)
    if page.locator(ON).first.get_attribute("aria-pressed") != "true":
        turn_on(one)
    if not page.locator(".jp-DebuggerBreakpoint").count():
        break_at(one, 3)
    one.start(0)
    page.wait_for_selector(FRAME)
    wait_variable(one, ["total", "42"])
    press(page, "Continue")
    one.wait_done(0)
    assert one.text(0) == "42\n"
