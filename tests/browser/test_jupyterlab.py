"""A working day in JupyterLab, in a real browser."""

import os
import signal

import pytest
from lab import Notebook

PATH = "lab/tree"


@pytest.fixture
def notebook(lab, page):
    """notebook(cell, …) → it, open in JupyterLab with a kernel of its own."""
    return lambda *cells, kernel="cellblock": Notebook(
        page, lab, lab.write("notebook.ipynb", cells, kernel), PATH)


# Of a picture on the page: its size, and how many points are of the first line's colour.
LOOK = """(image) => {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let blue = 0;
  for (let i = 0; i < data.length; i += 4)
    blue += Math.abs(data[i] - 31) < 9 && Math.abs(data[i + 1] - 119) < 9 && Math.abs(data[i + 2] - 180) < 9;
  return [canvas.width, canvas.height, blue];
}"""


@pytest.mark.long
def test_the_kernel_is_chosen_by_its_logo(lab, page):
    page.goto(lab.address + "/lab?reset")
    card = page.locator(".jp-LauncherCard[title^='Python (cellblock)']").first
    card.wait_for(timeout=60_000)
    assert card.locator("img").evaluate("(image) => image.complete && image.naturalWidth") > 0
    card.click()
    page.wait_for_selector(".jp-NotebookPanel [data-status=idle]", timeout=60_000)
    lab.wait_connected("Untitled")
    page.wait_for_timeout(300)
    page.click(".jp-Notebook .cm-content")
    page.keyboard.type("6 * 7")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-OutputArea-executeResult", timeout=60_000)
    assert page.locator(".jp-OutputArea-output").first.inner_text() == "42"


def test_run_all_shows_what_each_cell_shows(notebook, page, screenshots):
    one = notebook("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);",
                   "import pandas as pd\npd.DataFrame({'number': [1.5, 22.25], 'word': ['x', 'y']})",
                   "import sympy\nsympy.Integral(sympy.sqrt(sympy.Symbol('x')))",
                   "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)",
                   "from IPython.display import Markdown, SVG, display\n"
                   "display(Markdown('**strong**'), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\">"
                   "<circle cx=\"20\" cy=\"20\" r=\"18\" fill=\"green\"/></svg>'))",
                   "def share(n):\n    return 1 / n\nshare(0)",
                   "print('not reached')")
    one.run_all()
    one.wait_done(5)
    width, height, blue = one.cell(0).locator("img").evaluate(LOOK)
    assert width > 400 and height > 300 and 300 < blue < 20_000
    assert one.cell(1).locator("table td").all_inner_texts() == ["1.50", "x", "22.25", "y"]
    assert one.cell(1).locator("table td").first.evaluate("(e) => getComputedStyle(e).textAlign") == "right"
    assert one.cell(2).locator("mjx-container").count() == 1
    assert one.text(3) == "to stdout\nto stderr\n"
    assert one.cell(3).locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 1
    assert one.cell(4).locator("strong").inner_text() == "strong"
    assert one.cell(4).locator("img").evaluate("(image) => image.complete && image.naturalWidth") == 40
    assert "ZeroDivisionError" in one.text(5) and "share(0)" in one.text(5)
    assert one.cell(5).locator("[class*='ansi-']").count() > 3, "no colours"
    page.wait_for_timeout(500)
    assert one.prompt(6).strip() == "[ ]:" and one.text(6) == ""
    page.screenshot(path=screenshots / "jupyterlab.png")


def test_completion_and_tooltip(notebook, page):
    one = notebook("spam_and_eggs = 1\ndef greet(name: str, loud=False):\n    'Says hello.'", "", "")
    one.run(0)
    one.click(1)
    page.keyboard.type("spam_a")
    page.wait_for_timeout(500)
    page.keyboard.press("Tab")
    page.wait_for_function("() => [...document.querySelectorAll('.cm-content')].some(e => e.textContent == 'spam_and_eggs')"
                           " || document.querySelector('.jp-Completer-item')")
    if page.locator(".jp-Completer-item").count():
        page.keyboard.press("Enter")
    assert one.cell(1).locator(".cm-content").inner_text() == "spam_and_eggs"
    one.click(2)
    page.keyboard.type("greet(")
    page.keyboard.press("Shift+Tab")
    page.wait_for_selector(".jp-Tooltip")
    assert "Says hello." in page.locator(".jp-Tooltip").inner_text()
    assert "name: str" in page.locator(".jp-Tooltip").inner_text()


def test_a_question_and_a_hidden_one(notebook, page):
    one = notebook("name = input('Who? ')\nprint('hello', name)",
                   "import getpass\nlength = len(getpass.getpass('Secret: '))\nprint(length)")
    one.start(0)
    box = page.wait_for_selector("input.jp-Stdin-input")
    assert box.evaluate("(e) => e.type") == "text"
    page.keyboard.type("World")
    page.keyboard.press("Enter")
    one.wait_text(0, "hello World")
    one.start(1)
    box = page.wait_for_selector("input.jp-Stdin-input[type=password]")
    box.fill("geheim")
    box.press("Enter")
    one.wait_done(1)
    one.wait_text(1, "6\n")
    assert "geheim" not in page.content()


@pytest.mark.long
def test_stop_ends_a_loop(notebook, page):
    one = notebook("import time\nwhile True: time.sleep(0.1)", "print('on')")
    one.start(0)
    page.wait_for_timeout(700)
    one.button("interrupt")
    one.wait_text(0, "KeyboardInterrupt")
    assert one.run(1) == "on\n"


def test_stop_ends_a_stubborn_loop_and_says_what_is_lost(notebook, page):
    one = notebook("import time\nwhile True:\n    try:\n        while True: time.sleep(0.1)\n"
                   "    except KeyboardInterrupt: print('no')", "print('on')")
    one.start(0)
    page.wait_for_timeout(700)
    one.button("interrupt")
    one.wait_text(0, "a second interrupt kills it")
    page.wait_for_timeout(700)  # one that comes sooner wasn't made because of that line
    one.button("interrupt")
    one.wait_text(0, "killed by a second interrupt")
    assert one.run(1) == "on\n"


@pytest.mark.long
def test_a_cell_that_runs_too_long_is_stopped_and_says_so(notebook):
    one = notebook("kept = 5", "import time\ntime.sleep(60)", "kept", kernel="cellblock-hasty")
    one.run(0)
    one.start(1)
    one.wait_text(1, "stopped after 2 s; your variables are intact")
    assert one.run(2) == "5"


@pytest.mark.long
def test_restart_and_restart_and_run_all(notebook, page):
    one = notebook("kept = 5", "print('kept' in globals())")
    one.run(0)
    assert one.run(1) == "True\n"
    one.menu("Kernel", "Restart Kernel…")
    one.accept()
    one.wait_idle()
    one.click(1)
    assert one.run(1) == "False\n"
    one.menu("Kernel", "Restart Kernel and Run All Cells…")
    one.accept()
    one.wait_text(1, "True")
    assert one.prompt(0).strip() == "[1]:" and one.prompt(1).strip() == "[2]:"


@pytest.mark.long
def test_two_notebooks_side_by_side(lab, browser, notebook, page):
    one = notebook("import time\nfor n in range(40):\n    print(n)\n    time.sleep(0.1)\nwho = 'one'")
    beside = browser.new_page()
    try:
        lab.write("other.ipynb", ["who = 'other'\nprint(who)"])
        other = Notebook(beside, lab, "other.ipynb", PATH)
        one.start(0)
        page.wait_for_timeout(300)
        assert other.run(0) == "other\n"
        assert one.prompt(0).strip() == "[*]:"
        one.wait_done(0)
        assert one.text(0) == "".join("%d\n" % n for n in range(40))
    finally:
        beside.close()


@pytest.mark.long
def test_a_worker_that_is_killed_is_told_in_the_cell(notebook):
    one = notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "print('on')")
    one.start(0)
    one.wait_text(0, "variables are lost")
    assert "WorkerDied" in one.text(0) and "signal 9" in one.text(0)
    assert one.run(1) == "on\n"


# JupyterLab's own word for each request that the kernel had no time to answer: its debugger asks as well.
@pytest.mark.console_says("Canceled future for [a-z_]+_request message before replies were done")
def test_a_kernel_that_is_killed_is_told_and_comes_back(lab, notebook, page):
    one = notebook("import time\ntime.sleep(60)", "print('on')")
    one.start(0)
    page.wait_for_timeout(700)
    os.kill(lab.process_of(one.name), signal.SIGKILL)
    page.wait_for_selector(".jp-Dialog", timeout=60_000)
    assert "restart" in page.locator(".jp-Dialog").inner_text().lower()
    one.accept()
    one.wait_idle()
    assert one.run(1) == "on\n"


@pytest.mark.long
def test_a_page_that_is_loaded_anew_in_mid_cell(notebook, page):
    one = notebook("import time\nfor n in range(30):\n    print(n)\n    time.sleep(0.1)\ndone = 'all of it'", "print(done)")
    one.start(0)
    page.wait_for_timeout(700)
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    one.accept_kernel()
    one.wait_idle()
    assert one.run(1) == "all of it\n"


@pytest.mark.long
def test_two_hundred_cells(notebook):
    one = notebook(*["print(%d)" % n for n in range(200)], "print('end')")
    one.run_all()
    one.wait_done(200)
    assert one.prompt(200).strip() == "[201]:"


def test_interact_and_output_widgets(notebook, page):
    one = notebook("from ipywidgets import interact\n@interact(x=(0, 10))\ndef square(x=3): print('x² is', x * x)",
                   "import ipywidgets\nout = ipywidgets.Output()\nbutton = ipywidgets.Button(description='Press')\n"
                   "@button.on_click\ndef _(_):\n    with out: print('pressed')\ndisplay(button, out)",
                   "box = ipywidgets.IntText(value=4, description='n')\nbox", "print(box.value)",
                   "import base64\nipywidgets.Image(value=base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQV"
                   "R42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='), width=30, height=30)")
    one.start(0)
    one.wait_text(0, "x² is 9")
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    one.wait_text(0, "x² is 16")
    one.run(1)
    page.locator("button.widget-button, button.jupyter-button").first.click()
    one.wait_text(1, "pressed")
    one.run(2)
    box = one.cell(2).locator("input")
    box.fill("7")
    box.press("Enter")
    page.wait_for_timeout(300)
    assert one.run(3) == "7\n"
    one.run(4)
    assert one.cell(4).locator("img").evaluate("(image) => image.complete && image.naturalWidth") == 1


@pytest.mark.long
def test_a_progress_bar(notebook):
    one = notebook("from tqdm.notebook import tqdm\nimport time\nfor n in tqdm(range(20)): time.sleep(0.02)")
    one.start(0)
    one.wait_text(0, "20/20")
    assert one.cell(0).locator(".progress-bar, .widget-progress, .jupyter-widgets").count() > 0


def test_a_figure_that_can_be_moved(notebook, page):
    one = notebook("%matplotlib widget\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 3, 2]);")
    one.start(0)
    canvas = one.cell(0).locator("canvas").first
    canvas.wait_for()
    one.wait_done(0)
    page.wait_for_function("""() => { const c = document.querySelector('.jp-OutputArea-output canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return c.width > 200 && d.some((v, i) => i % 4 == 2 && v == 180); }""")


@pytest.mark.parametrize("kernel, seen, ran", [
    ("cellblock", True, False), pytest.param("cellblock-drop", False, False, marks=pytest.mark.long),
    pytest.param("cellblock-trust", True, True, marks=pytest.mark.long)])
def test_html_under_each_policy(notebook, page, kernel, seen, ran):
    one = notebook("%%html\n<b style='color: rgb(255, 0, 0)' onclick='window.pwned = 1'>bold</b>"
                   "<script>window.pwned = 1</script>", kernel=kernel)
    one.run(0)
    bold = one.cell(0).locator(".jp-OutputArea-output b")
    page.wait_for_timeout(300)
    assert (bold.count() == 1) == seen
    if seen:
        assert bold.evaluate("(e) => getComputedStyle(e).color") == "rgb(255, 0, 0)"
        bold.click()
    assert page.evaluate("() => window.pwned === 1") == ran
    if kernel == "cellblock-drop":
        assert "outputs.html" in one.text(0), one.text(0)


CHART = """from IPython.display import display
chart = {"$schema": "https://vega.github.io/schema/vega-lite/v5.20.1.json", "data": {"values": [{"a": "x", "b": 3}, {"a": "y", "b": 7}]},
         "mark": {"type": "bar", "color": "rgb(31, 119, 180)", "tooltip": True}, "width": 200, "height": 150,
         "params": [{"name": "zoom", "bind": "scales", "select": {"type": "interval"}}],
         "transform": [{"calculate": "datum.b * 2", "as": "c"}, {"filter": "isValid(datum.c)"}],
         "encoding": {"x": {"field": "a", "type": "nominal"}, "y": {"field": "c", "type": "quantitative"}}}
bundle = lambda chart: {"application/vnd.vegalite.v5+json": chart, "text/plain": "a chart"}
display(bundle(chart), raw=True)"""


def test_a_chart_of_vega_lite_is_drawn_and_one_that_loads_is_told(notebook, page):
    one = notebook(CHART, "chart['data'] = {'url': 'http://127.0.0.1:9/x.json'}\ndisplay(bundle(chart), raw=True)")
    one.run(0)
    canvas = one.cell(0).locator(".vega-embed canvas")
    canvas.wait_for()
    page.wait_for_function("""() => { const c = document.querySelector('.vega-embed canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let blue = 0;
        for (let i = 0; i < d.length; i += 4) blue += d[i] == 31 && d[i + 1] == 119 && d[i + 2] == 180;
        return blue > 1000; }""")
    one.run(1)
    one.wait_text(1, "a chart")
    one.wait_text(1, "chart isn't shown: it names an address to load")
    assert one.cell(1).locator(".vega-embed").count() == 0


# As scikit-learn's diagrams fold: a box that isn't seen, its label, and what it unfolds.
FOLDS = """%%html
<style>#t div.c{max-height:0;overflow:hidden} #t input:checked~div.c{max-height:200px} #t input{position:absolute;opacity:0;pointer-events:none}</style>
<div id="t"><div><input type="checkbox" id="b"><label for="b">step</label><div class="c"><pre>inside</pre></div></div></div>"""


def test_a_display_that_folds_does_so_by_a_click(notebook, page):
    one = notebook(FOLDS)
    one.run(0)
    content = one.cell(0).locator(".jp-OutputArea-output pre")
    content.wait_for(state="attached")
    height = "(e) => e.parentElement.getBoundingClientRect().height"
    assert content.evaluate(height) == 0
    one.cell(0).locator("label").click()
    page.wait_for_timeout(200)
    assert content.evaluate(height) > 5


@pytest.mark.long
def test_clear_output_draws_over_itself(notebook):
    one = notebook("from IPython.display import clear_output\nimport time\nfor n in range(15):\n"
                   "    clear_output(wait=True)\n    print('step', n)\n    time.sleep(0.05)")
    assert one.run(0) == "step 14\n"


def test_the_bar_and_the_panel_show_what_the_sandbox_uses(notebook, page):
    one = notebook("%%usage\nkept = bytearray(b'x') * (64 << 20)", kernel="cellblock-small")
    assert "CPU" in one.run(0) and "memory at most" in one.text(0)
    page.locator(".jp-SideBar [title*='Kernel usage' i], .jp-SideBar [title*='Kernel Usage' i]").first.click()
    panel = page.locator(".jp-KernelUsage-section-separator").first
    panel.wait_for(state="attached")
    text = page.locator(".jp-RightStack, #jp-right-stack").first.inner_text()
    assert "Python (cellblock-small)" in page.content()
    assert "1.00 GB" in text or "1 GB" in text or "1.07" in text, text


def test_a_data_file_that_a_cell_writes_appears_in_the_file_browser(notebook, lab, page):
    one = notebook("open('kept.csv', 'w').write('1,2');")
    one.run(0)
    one.wait_text(0, "kept kept.csv (3 B)")
    assert (lab.folder / "kept.csv").read_text() == "1,2"
    page.locator(".jp-DirListing-itemText", has_text="kept.csv").first.wait_for(timeout=60_000)
