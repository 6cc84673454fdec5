"""What a cell can't do to the reader's JupyterLab: by formulas, by Markdown, by widgets."""

import http.server
import threading

import pytest
from lab import Notebook


class Visits(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.visits.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def canary():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Visits)
    server.visits = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def attack(lab, page, canary):
    """attack(cell, …) → the notebook, after all of them ran; HOST in them is an address that nobody may visit."""
    def run(*cells, reload=False):
        canary.visits.clear()
        host = "http://127.0.0.1:%d" % canary.server_port
        one = Notebook(page, lab, lab.write("attack.ipynb", [cell.replace("HOST", host) for cell in cells], "cellblock"))
        one.run_all()
        for number in range(len(cells)):
            one.wait_done(number)
        page.wait_for_timeout(1500)
        page.evaluate("""() => { for (const one of document.querySelectorAll('.jp-OutputArea *'))
                                   one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); }""")
        page.wait_for_timeout(500)
        return one

    yield run
    assert page.evaluate("() => window.ran") is None, "a script ran"
    assert canary.visits == [], "an address was loaded"
    # Where the page's own parts are.
    assert page.evaluate("""() => [[5, 5], [1270, 5], [640, 20], [5, 1490], [1270, 1490]].filter(
        ([x, y]) => document.elementFromPoint(x, y)?.closest('.jp-OutputArea'))""") == []


RUN = "window.ran=(window.ran||[]).concat(%d)"

FORMULAS = [r"$\unicode[x;background:url(HOST/%d)]{65}$", r"$$\unicode[x;background:url(HOST/%d)]{65}$$",
            r"\(\unicode[x;background:url(HOST/%d)]{65}\)", r"\begin{align}\unicode[x;background:url(HOST/%d)]{65}\end{align}",
            r"$\unicode[x;position:fixed;left:0;top:0;width:100vw;height:100vh;z-index:9999999;background:url(HOST/%d)]{65}$",
            r"$\require{html}\style{background:url(HOST/%d)}{x}$", r"$\def\a{\unicode}\a[x;background:url(HOST/%d)]{65}$",
            r"$\let\a\unicode\a[x;background:url(HOST/%d)]{65}$", r"$\text{$\unicode[x;background:url(HOST/%d)]{65}$}$",
            r"$\\\unicode[x;background:url(HOST/%d)]{65}$", r"$\csname unicode\endcsname[x;background:url(HOST/%d)]{65}$",
            r"$\verb\a\\unicode[x;background:url(HOST/%d)]{65}$"]
PAGES = [r"<p>$\uni<script></script>code[x;background:url(HOST/%d)]{65}$</p>",
         r"<p>$\uni<wbr>code[x;background:url(HOST/%d)]{65}$</p>", r"<p>$\uni<unknown>code[x;background:url(HOST/%d)]{65}$</p>",
         r"<p>&#36;&#92;unicode[x;background:url(HOST/%d)]{65}&#36;</p>", r"<p>$\\begin{align}\unicode[x;background:url(HOST/%d)]{65}\end{align}$</p>",
         r"<svg width='99' height='50'><text y='20'>$\unicode[x;background:url(HOST/%d)]{65}$</text></svg>"]
MARKDOWN = [r"&#36;&#92;unicode[x;background:url(HOST/%d)]{65}&#36;", r"$\\unicode[x;background:url(HOST/%d)]{65}$",
            r"\\\\(\\unicode[x;background:url(HOST/%d)]{65}\\\\)", r"$\unic&#111;de[x;background:url(HOST/%d)]{65}$",
            '[a](http://x/$"onmouseover="' + RUN + '//$)', 'http://x/$"onmouseover="' + RUN + '//$ z',
            '```py$"onmouseover="' + RUN + '//$\nx\n```']


def numbered(texts):
    return [text % number for number, text in enumerate(texts)]


def test_formulas_are_mathematics(attack):
    show = "for text in %r:\n    display({%r: text}, raw=True)"
    one = attack(show % (numbered(FORMULAS), "text/latex"), show % (numbered(FORMULAS + MARKDOWN), "text/markdown"),
                 show % (numbered(FORMULAS + PAGES), "text/html"),
                 "import sympy\nx = sympy.Symbol('x')\nsympy.Matrix([[sympy.Integral(1 / x), sympy.Piecewise((x, x > 0), (1, True))]])",
                 show % ([r"a $x^2$ and \\(y\\), [z](https://a.b/c_(d))", "```mermaid\ngraph TD; A-->B\n```",
                          "```python\n'$x$'\n```"], "text/markdown"))
    assert one.cell(3).locator("mjx-container").count() == 1 and one.cell(3).locator("mjx-merror").count() == 0
    assert one.cell(4).locator("mjx-container").count() == 2
    assert one.cell(4).locator("a").get_attribute("href") == "https://a.b/c_(d)"
    assert one.cell(4).locator("pre").all_inner_texts()[0].startswith("graph TD"), "drawn, not shown"
    assert one.cell(4).locator("[class*=Mermaid]").count() == 0


X = "<img src=x onerror='%s'>" % RUN
LOAD = "HOST/widget-%d"

WIDGETS = [
    "import ipywidgets as w\nfrom comm import create_comm\ndisplay(w.Label(value=%r, _view_name='HTMLView'))" % X,
    "display(w.Label(value=%r, _view_name='HTMLMathView'))" % X,
    "one = w.Label(value='quiet'); display(one); one._view_name = 'HTMLView'; one.value = %r; display(one)" % X,
    "layout, style = w.Layout(), w.HTML().style\n"
    "def raw(name, view, **more):\n"
    "    state = dict(_model_module='@jupyter-widgets/controls', _model_module_version='2.0.0', _model_name=name,\n"
    "                 _view_module='@jupyter-widgets/controls', _view_module_version='2.0.0', _view_name=view,\n"
    "                 layout='IPY_MODEL_' + layout.model_id, style='IPY_MODEL_' + style.model_id, **more)\n"
    "    made = create_comm(target_name='jupyter.widget', data={'state': state, 'buffer_paths': []}, metadata={'version': '2.1.0'})\n"
    "    display({'application/vnd.jupyter.widget-view+json': {'version_major': 2, 'version_minor': 0, 'model_id': made.comm_id},\n"
    "             'text/plain': 'w'}, raw=True)\n"
    "raw(['HTMLModel'], ['HTMLView'], value=%r)" % X,
    "raw(['HTMLModel'], 'HTMLView', value=%r)" % X,
    "raw('LabelModel', ['HTMLView'], value=%r)" % X,
    "text, html = w.Text(value=%r), w.HTML(value='-'); display(html); link = w.jslink((text, 'value'), (html, 'value'))" % X,
    "box, other = w.Checkbox(value=True), w.Text(description=%r)\n"
    "allow = w.jslink((box, 'value'), (other, 'description_allow_html')); display(other)" % X,
    "kind, image = w.Text(value='url'), w.Image(value=b'%s', format='png')\n"
    "w.jsdlink((kind, 'value'), (image, 'format')); display(image)" % LOAD,
    "display(w.Image(value=b'%s', format='url'))" % LOAD,
    "display(w.HTML(value='x', style={'background': 'url(%s)'}))" % LOAD,
    "display(w.Label(value='x', style={'font_family': 'x;background:url(%s)'}))" % LOAD,
    "display(w.HTMLMath(value=r'$\\unicode[x;background:url(%s)]{65}$'))" % LOAD,
    "display(w.Label(value=r'$\\unicode[x;background:url(%s)]{65}$'))" % LOAD,
    "display(w.Text(description=r'$\\unicode[x;background:url(%s)]{65}$'))" % LOAD,
    "display(w.Accordion(children=[w.Label('q')], titles=[%r]))" % X,
]


def test_widgets_run_and_load_nothing_and_go_on_working(attack, page):
    # Few cells, for JupyterLab has only those in its page that are to be seen.
    texts = [text % number for number, text in enumerate(WIDGETS)]
    cells = ["\n".join(texts[at:at + 6]) for at in range(0, len(texts), 6)]
    one = attack(*cells, "slider = w.IntSlider(value=3, description='n < 5'); progress = w.IntProgress(max=10)\n"
                 "joined = w.jslink((slider, 'value'), (progress, 'value'))\n"
                 "shown = w.Label(value='$x^2$'); w.VBox([slider, progress, shown, w.HTML('<b>bold</b>')])",
                 "slider.value = 7")
    last = one.cell(len(cells))
    assert last.locator(".widget-readout").inner_text() == "7" and last.locator("mjx-container").count() == 1
    assert last.locator("b").inner_text() == "bold" and "n <" in last.locator(".widget-label").first.inner_text()
    assert "70%" in last.locator(".progress-bar").get_attribute("style")
