"""The output filter before a real browser: nothing runs, nothing is loaded, nothing covers or restyles the page."""

import json
import shutil
import subprocess

import pytest
from page import vectors
from page.conftest import known_vectors

pytestmark = pytest.mark.seconds(240)


def put(texts, canary):
    return [one.replace("HOST", "canary.test:%d" % canary.port) for one in texts]


def assert_inert(found, count):
    assert found["count"] == count
    assert found["ran"] == [], "scripts ran"
    assert found["visits"] == [], "something was loaded"
    assert found["bad"] == []
    assert found["covered"] == [], "the page's corners are covered"
    assert found["restyled"] == [], "the page looks different"


def payloads(source):
    if source == "own":
        return vectors.html()
    known = known_vectors()
    if known is None:
        pytest.skip("the collection xss-vectors.json isn't there (CELLBLOCK_XSS_VECTORS names it)")
    return known


def test_there_are_a_hundred_of_our_own():
    assert len(vectors.html()) >= 100


@pytest.mark.parametrize("as_document", [False, True], ids=["inner_html", "document"])
@pytest.mark.parametrize("source", ["own", "known"])
def test_html(shown, browse, canary, source, as_document):
    attacks = put(payloads(source), canary)
    bundles, _ = shown([("text/html", attack) for attack in attacks])
    assert_inert(browse([bundle.get("text/html", "") for bundle in bundles], as_document=as_document), len(attacks))


@pytest.mark.parametrize("source", ["own", "known"])
def test_svg(shown, browse, canary, source):
    attacks = ['<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">%s</svg>' % one
               for one in put(payloads(source), canary)] + put(payloads(source), canary)
    bundles, _ = shown([("image/svg+xml", attack) for attack in attacks])
    drawings = [bundle["image/svg+xml"] for bundle in bundles if "image/svg+xml" in bundle]
    assert len(drawings) > 20
    assert_inert(browse(drawings), len(drawings))


def rendered(markdown, renderer):
    if renderer == "marked":
        if shutil.which("node") is None:
            pytest.skip("no node for marked, which JupyterLab uses")
        program = ("const {marked} = require('/usr/share/nodejs/marked');"
                   "const texts = JSON.parse(require('fs').readFileSync(0));"
                   "console.log(JSON.stringify(texts.map((t) => marked(t))))")
        done = subprocess.run(["node", "-e", program], input=json.dumps(markdown), capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    module = pytest.importorskip(renderer)
    if renderer == "mistune":
        turn = module.create_markdown(escape=False)
    else:
        turn = module.MarkdownIt("commonmark", {"html": True}).enable("table").render
    return [turn(one) for one in markdown]


@pytest.mark.parametrize("renderer", ["marked", "markdown_it", "mistune"])
def test_markdown(shown, browse, canary, renderer):
    attacks = put(vectors.markdown() + vectors.html() + (known_vectors() or []), canary)
    bundles, _ = shown([("text/markdown", attack) for attack in attacks])
    found = browse(rendered([bundle["text/markdown"] for bundle in bundles], renderer))
    # The renderers make relative links of harmless text; what counts is that nothing comes of them.
    found["bad"] = [one for one in found["bad"] if "href=" not in one or "script:" in one.lower() or "data:" in one]
    assert_inert(found, len(attacks))


def test_trusted_html_does_run_so_the_test_sees_it(shown, browse):
    bundles, _ = shown([("text/html", "<img src=x onerror=alert(1)>")], html="trust")
    assert browse([bundles[0]["text/html"]])["ran"]


def test_dropped_html_leaves_its_plain_text_and_a_notice(shown):
    bundles, report = shown([("text/html", "<b>x</b>"), ("image/svg+xml", "<svg/>")], html="drop")
    assert [sorted(bundle) for bundle in bundles] == [["text/plain"]] * 2
    assert "outputs.html" in report["stderr"] and report["stderr"].count("this HTML isn't shown") == 1


def test_what_isnt_allowed_falls_back_to_what_is(shown):
    html = "<div>chart<script>alert(1)</script></div>"
    own = {"application/vnd.example+json": {"data": []}, "text/html": html}
    bundles, report = shown([own, ("application/javascript", "alert(1)")])
    assert "chart" in bundles[0]["text/html"] and "script" not in bundles[0]["text/html"]
    assert list(bundles[1]) == ["text/plain"]
    assert "application/vnd.example+json" in report["stderr"] and "application/javascript" in report["stderr"]


def test_figures_are_let_through_if_nothing_in_them_loads_or_runs(shown):
    plotly, vega = "application/vnd.plotly.v1+json", "application/vnd.vegalite.v5+json"
    figure = {"data": [{"type": "bar", "x": ["a", "b"], "y": [1, 2]}], "layout": {"title": {"text": "<a href='x'>t</a>"}}}
    chart = {"data": {"values": [{"a": 1}]}, "mark": "bar", "encoding": {"x": {"field": "a", "type": "nominal"}}}
    bundles, report = shown([{plotly: figure, "text/html": "<div></div><script>Plotly.newPlot()</script>"}, {vega: chart},
                             {plotly: {**figure, "layout": {"images": [{"source": "http://e.example"}]}}},
                             {vega: {**chart, "data": {"url": "http://e.example"}}}])
    assert bundles[0][plotly]["layout"]["title"]["text"] == "t" and "text/html" not in bundles[0]
    assert bundles[1][vega] == chart
    assert [list(bundle) for bundle in bundles[2:]] == [["text/plain"]] * 2
    assert "this plotly figure isn't shown: it has a picture that would be loaded" in report["stderr"]
    assert "chart isn't shown: it names an address to load" in report["stderr"]


SYMPY = """
import json, sympy
x = sympy.Symbol("x")
forms = [sympy.Integral(sympy.sqrt(1 / x), (x, 0, sympy.oo)), sympy.Matrix([[1, x], [sympy.pi, sympy.Rational(1, 3)]]),
         sympy.Sum(1 / x ** 2, (x, 1, sympy.oo)), sympy.Piecewise((x, x > 0), (-x, True)), sympy.Function("f")(x).diff(x)]
print(json.dumps([one._repr_latex_() for one in forms]))
"""


def test_sympys_formulas_are_as_they_were(shown):
    formulas = json.loads(made_by(SYMPY))
    bundles, report = shown([("text/latex", one) for one in formulas])
    assert [bundle["text/latex"] for bundle in bundles] == formulas and not report["stderr"]


PANDAS = """
import pandas
frame = pandas.DataFrame({"a": [1, 2], "b": [3.5, 4.5]})
print(repr([frame.to_html(), frame._repr_html_(),
            frame.style.set_table_attributes('title="t"').set_properties(subset=["a"], **{"color": "rgb(1, 2, 3)"})
                 .highlight_max(subset=["b"], color="rgb(4, 5, 6)").bar(subset=["a"]).set_caption("cap")
                 .set_table_styles([{"selector": "th", "props": [("font-weight", "900")]}]).to_html()]))
"""
SVG = """
import io, matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt
plt.figure(figsize=(4, 3)); plt.plot([1, 2, 3], "o-"); plt.title("t"); out = io.StringIO(); plt.savefig(out); print(out.getvalue())
"""


def made_by(code):
    return subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, timeout=60,
                          check=True).stdout


def test_pandas_tables_and_styles_look_right(shown, browse):
    plain, notebook, styled = eval(made_by(PANDAS))
    bundles, _ = shown([("text/html", one) for one in (plain, notebook, styled)])
    found = browse([bundle["text/html"] for bundle in bundles], extra="""
        ["out0", "out1", "out2"].map((id) => {
            const place = document.getElementById(id), cells = [...place.querySelectorAll("td")];
            return {rows: place.querySelectorAll("tr").length, cells: cells.map((c) => c.textContent.trim()),
                    colours: cells.map((c) => getComputedStyle(c).color), backs: cells.map((c) =>
                    getComputedStyle(c).backgroundColor), bars: cells.map((c) => getComputedStyle(c).backgroundImage),
                    weight: getComputedStyle(place.querySelector("th")).fontWeight,
                    caption: place.querySelector("caption")?.textContent, align:
                    getComputedStyle(place.querySelector("thead th")).textAlign};
        })""")
    assert_inert(found, 3)
    plain, notebook, styled = found["extra"]
    assert plain["rows"] == notebook["rows"] == styled["rows"] == 3
    assert plain["cells"] == notebook["cells"] == ["1", "3.5", "2", "4.5"]
    assert notebook["align"] == "right"
    assert styled["colours"][0] == "rgb(1, 2, 3)" and styled["backs"][3] == "rgb(4, 5, 6)"
    assert "linear-gradient" in styled["bars"][2] and styled["weight"] == "900" and styled["caption"] == "cap"


def test_a_drawing_of_matplotlib_looks_right(shown, browse):
    bundles, _ = shown([("image/svg+xml", made_by(SVG))])
    found = browse([bundles[0]["image/svg+xml"]], extra="""(() => {
        const svg = document.querySelector("#out0 svg"), box = svg.getBoundingClientRect();
        const line = [...svg.querySelectorAll("path")].find((p) => getComputedStyle(p).stroke == "rgb(31, 119, 180)");
        return {width: box.width, paths: svg.querySelectorAll("path").length, uses: svg.querySelectorAll("use").length,
                line: line && line.getBoundingClientRect().width, drawn: [...svg.querySelectorAll("use")].every(
                (u) => document.querySelector(u.getAttribute("href")))}; })()""")
    assert_inert(found, 1)
    extra = found["extra"]
    assert extra["width"] > 300 and extra["paths"] > 10 and extra["uses"] >= 10 and extra["line"] > 100
    assert extra["drawn"] is True


# As scikit-learn and xarray make them: a box that isn't seen, its label, and what it unfolds.
FOLDS = """
<style>
:root, .own { --text: rgb(1, 2, 3); }
#tree-1 { color: var(--text); }
#tree-1 div.content { max-height: 0; max-width: 0; overflow: hidden; }
#tree-1 input.control:checked~div.content { max-height: 200px; max-width: 100%%; overflow: auto; }
#tree-1 input.hidden { border: 0; clip: rect(1px 1px 1px 1px); position: absolute; width: 1px; height: 1px; }
#tree-1 label:before { content: "closed"; }
#tree-1 input:checked~label:before { content: "open"; }
#tree-1 div.line { position: relative; }
#tree-1 div.line::before { content: ""; position: absolute; left: 50%%; top: 0; bottom: 0; border-left: 1px solid rgb(9, 9, 9); }
#tree-1 .grid { display: grid; grid-template-columns: 150px auto; } .grid input + label { color: rgb(7, 7, 7); }
#tree-1 details[open] > p { color: rgb(4, 5, 6); }
div.shown { display: inline-block !important; }
</style>
<svg style="position: absolute; width: 0; height: 0; overflow: hidden"><defs><symbol id="icon" viewBox="0 0 32 32">
<path d="M0 0h32v32h-32z"></path></symbol></defs></svg>
<div id="tree-1" class="own"><div class="shown" hidden>
<div class="line"><input class="control hidden" id="box-1" type="checkbox" %s><label for="box-1">step</label>
<div class="content"><pre>inside</pre></div></div></div>
<div class="grid"><input type="checkbox" id="two"><label for="two">two</label></div>
<details><summary>more</summary><p>told</p></details><svg width="16" height="16"><use xlink:href="#icon"></use></svg></div>
"""
LOOKS = """["out0", "out1"].map((id) => {
    const place = document.getElementById(id), first = (s) => place.querySelector(s), look = (e, b) => getComputedStyle(e, b);
    const seen = () => [first("pre").parentElement.getBoundingClientRect().height > 0, look(first("label"), "::before").content];
    const before = seen();
    first("label").click();
    first("summary").click();
    const line = look(first("label").parentElement, "::before");
    return {before, after: seen(), shown: look(first("label").closest("[hidden]")).display, told: look(first("details p")).color,
            opened: first("details").open, text: look(first("label")).color, grid: look(first("[type=checkbox]#" +
            first(".cb-grid input").id).nextElementSibling).color, line: [line.position, line.borderLeftColor],
            icon: first("use").getBoundingClientRect().width, symbol: !!document.querySelector(first("use").getAttribute("href"))};
})"""


def test_displays_that_fold_do_so_without_scripts(shown, browse):
    bundles, report = shown([("text/html", FOLDS % ""), ("text/html", (FOLDS % "checked").replace("tree-1", "tree-2")
                                                         .replace("box-1", "box-2").replace("two", "three"))])
    assert report["stderr"] == ""
    # The page's own look has clicked on each summary and class before: every box was turned once.
    found = browse([bundle["text/html"] for bundle in bundles], extra=LOOKS)
    assert_inert(found, 2)
    for one in found["extra"]:
        assert {tuple(one["before"]), tuple(one["after"])} == {(False, '"closed"'), (True, '"open"')}
        assert one["shown"] == "inline-block" and one["text"] == "rgb(1, 2, 3)" and one["grid"] == "rgb(7, 7, 7)"
        assert one["line"] == ["absolute", "rgb(9, 9, 9)"] and one["symbol"] and one["icon"] > 10
        assert one["told"] == "rgb(4, 5, 6)" or not one["opened"]


SKLEARN = """
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.linear_model import LogisticRegression
print(make_pipeline(StandardScaler(), LogisticRegression(C=3.5))._repr_html_())
"""


def test_an_estimators_diagram_folds_out(shown, browse):
    bundles, report = shown([("text/html", made_by(SKLEARN))])
    assert report["stderr"] == ""
    found = browse([bundles[0]["text/html"]], extra="""(() => {
        const place = document.getElementById("out0"), boxes = [...place.querySelectorAll("input")];
        for (const box of boxes) box.checked = false;
        const pre = [...place.querySelectorAll("pre")].filter((p) => p.textContent.includes("C=3.5")).pop();
        const height = () => pre.parentElement.getBoundingClientRect().height, before = height();
        place.querySelector("label[for='" + boxes[boxes.length - 1].id + "']").click();
        return {boxes: boxes.length, before, after: height(), lines: getComputedStyle(place.querySelector(".cb-sk-item"),
                "::before").position, fallback: getComputedStyle(place.querySelector(".cb-sk-text-repr-fallback")).display};
    })()""")
    assert_inert(found, 1)
    extra = found["extra"]
    assert extra["boxes"] == 3 and extra["before"] == 0 and extra["after"] > 10, extra
    assert extra["fallback"] == "none"


def test_sound_and_video_within_the_output_are_shown(shown, browse):
    code = "from IPython.display import Audio\nprint(Audio(b'RIFF$\\0\\0\\0WAVEfmt ' + bytes(30), rate=8000, embed=True)._repr_html_())"
    bundles, report = shown([("text/html", made_by(code)), ("text/html", "<video src='x.mp4' autoplay></video>")])
    found = browse([bundle.get("text/html", "") for bundle in bundles],
                   extra="[document.querySelector('#out0 audio').controls, document.querySelector('#out0 audio').paused]")
    assert_inert(found, 2)
    assert found["extra"] == [True, True] and list(bundles[1]) == ["text/plain"]
    assert "Video(…, embed=True)" in report["stderr"]


@pytest.mark.parametrize("html, wanted", [
    ("<details open><summary>s</summary>body</details>", "<details open=\"\"><summary>s</summary>body</details>"),
    ("a &lt; b &amp; c &copy; é", "a &lt; b &amp; c © é"),
    ("<ul><li value=3>x<li>y</ul>", "<ul><li value=\"3\">x</li><li>y</li></ul>"),
    ("<td>x", "<td>x</td>"), ("<button>ok</button>", "ok"),
    ("<a href=https://example.org/?a=1&b=2>x</a>",
     "<a href=\"https://example.org/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a>"),
    ("<pre>a\n  b</pre>", "<pre>a\n  b</pre>"), ("<kbd>k</kbd><sub>1</sub>", "<kbd>k</kbd><sub>1</sub>"),
], ids=["details", "text", "list", "cell", "button", "link", "pre", "inline"])
def test_good_html_stays(shown, html, wanted):
    bundles, _ = shown([("text/html", html)])
    assert bundles[0]["text/html"] == wanted


@pytest.mark.parametrize("markdown", ["# Title\n\n- *a* **b** `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
                                      "[link](https://example.org) and [mail](mailto:a@example.org), [down](#part)",
                                      "a < b and b > c, 1 <2, x<-3", "$\\frac{1}{2}$ and $$\\sum_i x_i$$"])
def test_good_markdown_stays_to_the_letter(shown, markdown):
    bundles, _ = shown([("text/markdown", markdown)])
    assert bundles[0]["text/markdown"] == markdown
