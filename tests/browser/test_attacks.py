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
