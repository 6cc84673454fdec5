"""matplotlib with no magic at all."""

import struct

import pytest

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def matplotlib(has):
    has("matplotlib")


def kinds(result):
    return [sorted(frame["data"]) for frame in result.displays if frame["kind"] == "display_data"]


def size(png):
    return struct.unpack(">II", png[16:24])


def test_matplotlib_is_not_imported_at_the_start(host):
    assert host.execute("import sys; 'matplotlib' in sys.modules").result == "False"


def test_an_open_figure_appears_at_the_cells_end_and_is_closed(host):
    result = host.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert result.displays[0]["data"]["image/png"].startswith(PNG) and len(result.displays) == 1
    assert host.execute("plt.get_fignums()").result == "[]"
    assert host.execute("1").displays[0]["data"] == {"text/plain": "1"}


def test_show_displays_in_order(host):
    result = host.execute("print('a')\nplt.plot([1])\nplt.show()\nprint('b')")
    assert [frame["type"] for frame in result.frames] == ["stream", "display", "stream", "done"]


def test_two_figures(host):
    assert len(host.execute("for i in range(2):\n    plt.figure(); plt.plot([i])").displays) == 2


def test_display_of_a_figure_and_savefig(host, tmp_path):
    result = host.execute("from IPython.display import display\nfig, ax = plt.subplots()\n"
                          "fig.savefig(%r)\ndisplay(fig)\nplt.close(fig)" % str(tmp_path / "f.png"))
    assert len(result.displays) == 1 and (tmp_path / "f.png").read_bytes().startswith(PNG)


def test_a_figure_without_pyplot(host):
    result = host.execute("from matplotlib.figure import Figure\nf = Figure(); f.subplots().plot([1]); f")
    assert result.displays[0]["data"]["image/png"].startswith(PNG)


def test_inline_magic(host):
    result = host.execute("%matplotlib inline\nplt.plot([1]);")
    assert kinds(result) == [["image/png", "text/plain"]]


def test_windows_are_refused_clearly(host):
    result = host.execute("%matplotlib qt")
    assert "sandbox" in result.stderr + str(result.error) or result.status == "error"
    host.execute("%matplotlib inline")


def test_svg_pdf_and_retina(host):
    assert kinds(host.execute("%config InlineBackend.figure_formats = ['svg']\nplt.plot([1]);")) == [
        ["image/svg+xml", "text/plain"]]
    result = host.execute("%config InlineBackend.figure_formats = ['pdf']\nplt.plot([1]);")
    assert result.displays[0]["data"]["application/pdf"].startswith(b"%PDF")
    frame, = host.execute("%config InlineBackend.figure_formats = ['retina']\nplt.plot([1]);").displays
    width, height = size(frame["data"]["image/png"])
    assert abs(frame["metadata"]["image/png"]["width"] - width / 2) <= 1
    assert abs(frame["metadata"]["image/png"]["height"] - height / 2) <= 1
    host.execute("%config InlineBackend.figure_formats = ['png']")


def test_config_before_the_first_import(fresh):
    host = fresh()
    result = host.execute("%config InlineBackend.figure_format = 'svg'\nimport matplotlib.pyplot as plt\nplt.plot([1]);")
    assert kinds(result) == [["image/svg+xml", "text/plain"]]


def test_figures_of_an_awaiting_cell(host):
    assert len(host.execute("import asyncio\nawait asyncio.sleep(0)\nplt.plot([1]);").displays) == 1


def test_figures_of_a_failing_cell_appear(host):
    result = host.execute("plt.plot([1])\n1/0")
    assert result.status == "error" and len(result.displays) == 1


def test_a_thousand_figures(host):
    code = ("import warnings; warnings.simplefilter('ignore')\nfor i in range(1000):\n"
            "    fig = plt.figure(figsize=(1, 1), dpi=30)\nplt.rcParams['figure.max_open_warning'] = 0")
    assert len(host.execute(code, timeout=300).displays) == 1000
