"""Lines 33-40: results, displays, streams, figures, buffers."""

import base64
import json
import struct

import pytest
from support import kernels

PNG = b"\x89PNG\r\n\x1a\n"

# Types that these tests show; some are not on the default list.
OUTPUTS = {"comms": ["t", "test-target", "jupyter.widget"],
           "mime": ["text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "image/gif",
                    "image/webp", "image/svg+xml", "application/json", "application/vnd.vegalite.v4+json",
                    "application/pdf"]}


def png_of(message):
    return base64.b64decode(message.content["data"]["image/png"])


def figures(run):
    return [one for one in run.of("display_data", "execute_result") if "image/png" in one.content["data"]]


def size_of(png):
    return struct.unpack(">II", png[16:24])


# --- 33

def test_33_execute_result_and_display_data_have_metadata(client):
    run = client.run("from IPython.display import display, HTML\n"
                     "display({'text/plain': 'p', 'text/html': '<b>p</b>'}, metadata={'key': [1]}, raw=True)\n"
                     "HTML('<i>x</i>')")
    display, = run.of("display_data")
    assert display.content["data"] == {"text/plain": "p", "text/html": "<b>p</b>"}
    assert display.content["metadata"] == {"key": [1]}
    result, = run.of("execute_result")
    assert result.content["data"]["text/html"] == "<i>x</i>" and result.content["metadata"] == {}


def test_33_json_is_an_object(client):
    run = client.run("from IPython.display import JSON\nJSON({'a': [1, 2.5, None, 'ü', True]})")
    result, = run.of("execute_result")
    assert result.content["data"]["application/json"] == {"a": [1, 2.5, None, "ü", True]}


def test_33_vendor_json_is_an_object(client):
    run = client.run("display({'application/vnd.vegalite.v4+json': {'mark': 'bar'}, 'text/plain': ''}, raw=True)")
    assert run.of("display_data")[0].content["data"]["application/vnd.vegalite.v4+json"] == {"mark": "bar"}


def test_33_pandas_tables_are_html(client):
    run = client.run("import pandas\npandas.DataFrame({'a': [1, 2]})")
    data = run.of("execute_result")[0].content["data"]
    assert "<table" in data["text/html"] and "a" in data["text/plain"]


def test_33_images_are_base64(client):
    code = ("import base64\nfrom IPython.display import Image\n"
            "Image(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9aw"
            "AAAABJRU5ErkJggg=='))")
    result, = client.run(code).of("execute_result")
    assert png_of(result).startswith(PNG)


LONG = """
import json
from IPython.display import HTML, SVG, Latex, Markdown, display
display(HTML("<table>" + "<tr><td>cell</td><td>1</td></tr>" * 20_000 + "</table>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg'>" + "<circle cx='1' cy='1' r='1'/>" * 20_000 + "</svg>"))
display(Markdown("word " * 130_000))
display({"application/json": {"rows": list(range(120_000))}, "text/plain": "rows"}, raw=True)
class Long:
    def __repr__(self): return "r\u00e4" * 400_000
Long()
"""


def test_33_outputs_above_half_a_mebibyte_arrive(client):
    run = client.run(LONG, timeout=120)
    assert "left out" not in run.stderr
    html, svg, markdown, rows = [one.content["data"] for one in run.of("display_data")]
    assert html["text/html"].count("<td>cell</td>") == 20_000
    assert svg["image/svg+xml"].count("<circle") == 20_000
    assert len(markdown["text/markdown"]) == 650_000
    assert rows["application/json"]["rows"] == list(range(120_000))
    assert run.result == "r\u00e4" * 400_000


# --- 34

def test_34_a_display_is_updated_by_its_id(client):
    run = client.run("handle = display('one', display_id='the-id')")
    shown, = run.of("display_data")
    assert shown.content["transient"]["display_id"] == "the-id"
    update, = client.run("handle.update('two')").of("update_display_data")
    assert update.content["transient"]["display_id"] == "the-id"
    assert update.content["data"]["text/plain"] == "'two'"


def test_34_the_cells_own_publish_passes_its_display_id(client):
    run = client.run("get_ipython().display_pub.publish({'text/plain': 'q'}, {}, transient={'display_id': 'k'})")
    assert run.of("display_data")[0].content["transient"] == {"display_id": "k"}


def test_34_a_result_without_a_display_id_has_no_transient(client):
    assert set(client.run("5").of("execute_result")[0].content) == {"data", "metadata", "execution_count"}


# --- 35

@pytest.mark.parametrize("wait", [True, False])
def test_35_clear_output(client, wait):
    run = client.run("from IPython.display import clear_output\nprint('a')\nclear_output(%s)\nprint('b')" % wait)
    assert run.types == ["status", "execute_input", "stream", "clear_output", "stream", "status"]
    assert run.of("clear_output")[0].content == {"wait": wait}
    assert [one.content["text"] for one in run.of("stream")] == ["a\n", "b\n"]


# --- 36

def test_36_streams_are_coalesced(client):
    run = client.run("for n in range(1000): print(n)")
    assert run.stdout == "".join("%d\n" % n for n in range(1000))
    assert len(run.of("stream")) < 200


def test_36_the_order_of_stdout_and_stderr_is_kept(client):
    code = "import sys\nfor n in range(20):\n    print('o%d' % n)\n    print('e%d' % n, file=sys.stderr)"
    run = client.run(code)
    text = "".join(one.content["text"] for one in run.of("stream")).split()
    if kernels.is_ipykernel():
        pytest.xfail("6.17 gathers each stream on its own")
    assert text == [kind + str(n) for n in range(20) for kind in "oe"]


def test_36_streams_and_displays_keep_their_order(client):
    run = client.run("print('a')\ndisplay('b')\nprint('c')\ndisplay('d')")
    assert run.types[2:-1] == ["stream", "display_data", "stream", "display_data"]


def test_36_warnings_and_logging_go_to_stderr(client):
    run = client.run("import warnings, logging\nwarnings.warn('careful')\nlogging.warning('logged')")
    assert "careful" in run.stderr and "WARNING:root:logged" in run.stderr and run.stdout == ""


def test_36_carriage_returns_pass(client):
    run = client.run("for n in range(3): print('\\r%d%%' % n, end='', flush=True)")
    assert run.stdout == "\r0%\r1%\r2%"


def test_36_tqdm_draws_its_bar(client):
    run = client.run("import tqdm\nfor _ in tqdm.tqdm(range(5)): pass")
    assert "100%" in run.stderr and "\r" in run.stderr


def test_36_output_comes_while_the_cell_runs(client):
    request = client.execute("print('early', flush=True)\nimport time\ntime.sleep(30)")
    client.first(request, "stream", timeout=10)
    client.send("control", "interrupt_request")
    client.finish(request)


def test_36_stdout_has_what_libraries_look_for(client):
    code = ("import sys\nsys.stdout.encoding.lower(), sys.stdout.writable(), sys.stdout.isatty(), "
            "sys.stdout.write('abc'), sys.stdout.errors is not None")
    assert client.run(code).ok().result.startswith("('utf-8', True, False, 3")


# --- 37

@pytest.mark.parametrize("code, where", [
    ("import os; os.write(1, b'told\\n')", "stdout"),
    ("import os; os.write(2, b'told\\n')", "stderr"),
    ("import os; _ = os.system('echo told')", "stdout"),
    ("import os; _ = os.system('echo told >&2')", "stderr"),
    ("import subprocess; _ = subprocess.run(['echo', 'told'])", "stdout"),
    ("import ctypes; libc = ctypes.CDLL(None); libc.puts(b'told'); libc.fflush(None);", "stdout"),
    ("import os\npid = os.fork()\nif pid == 0:\n    os.write(1, b'told\\n'); os._exit(0)\n_ = os.waitpid(pid, 0)",
     "stdout"),
    ("import os\npid = os.fork()\nif pid == 0:\n    print('told', flush=True); os._exit(0)\n_ = os.waitpid(pid, 0)",
     "stdout"),
    ("import multiprocessing as m\np = m.get_context('fork').Process(target=print, args=('told',))\n"
     "p.start(); p.join()", "stdout"),
], ids=["fd1", "fd2", "system", "system_stderr", "subprocess", "c", "fork_write", "fork_print", "multiprocessing"])
def test_37_writes_to_the_descriptors_arrive(client, code, where):
    run = client.run(code).ok()
    assert run.text(where) == "told\n", run


def test_37_descriptors_and_print_keep_their_order(client):
    if kernels.is_ipykernel():
        pytest.xfail("6.17 reads the descriptors in a thread of its own")
    run = client.run("import os\nfor n in range(20):\n    print('p%d' % n)\n    _ = os.system('echo s%d' % n)")
    assert run.stdout.split() == [kind + str(n) for n in range(20) for kind in "ps"]


# --- 38

@pytest.mark.ipykernel_fails("6.17 gives it to whatever cell runs")
def test_38_a_threads_output_goes_to_its_cell_also_after_idle(client):
    first = client.run("import threading\ngo = threading.Event()\n"
                       "def later():\n    go.wait()\n    print('from the thread')\n"
                       "thread = threading.Thread(target=later)\nthread.start()").ok()
    second = client.run("go.set()\nthread.join()\nprint('second')").ok()
    assert second.stdout == "second\n"
    client.wait(lambda: [one for one in client.of(first.id) if one.type == "stream"], "the thread's output")


def test_38_a_thread_prints_between_cells(client):
    run = client.run("import threading\nthreading.Timer(0.5, lambda: print('late')).start()").ok()
    client.wait(lambda: any("late" in one.content["text"] for one in client.of(run.id) if one.type == "stream"),
                "the thread's output between cells", timeout=20)


@pytest.mark.ipykernel_fails("6.17 gives it to whatever cell runs")
def test_38_threads_of_threads_too(client):
    first = client.run("import threading\ngo = threading.Event()\n"
                       "def inner():\n    go.wait()\n    print('inner')\n"
                       "def outer():\n    t = threading.Thread(target=inner); t.start(); t.join()\n"
                       "thread = threading.Thread(target=outer)\nthread.start()").ok()
    second = client.run("go.set()\nthread.join()")
    assert second.stdout == ""
    client.wait(lambda: [one for one in client.of(first.id) if one.type == "stream"], "the thread's output")


# --- 39: matplotlib

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\n"


def test_39_figures_appear_at_show_with_no_magic(client):
    run = client.run(PLOT + "plt.show()\nprint('after')").ok()
    figure, = figures(run)
    assert png_of(figure).startswith(PNG)
    assert run.types.index("display_data") < run.types.index("stream")


def test_39_figures_appear_at_the_end_of_a_cell(client):
    run = client.run(PLOT + "print('before');").ok()
    assert len(figures(run)) == 1
    assert run.types.index("stream") < run.types.index("display_data")


def test_39_a_cell_that_fails_shows_what_it_drew_or_not_but_no_more_later(client):
    client.run(PLOT + "1/0")
    assert figures(client.run("print('next')")) == []


def test_39_figures_are_closed_after_the_cell(client):
    client.run(PLOT).ok()
    assert client.run("plt.get_fignums()").result == "[]"
    assert len(figures(client.run("plt.plot([1]);").ok())) == 1


def test_39_several_figures_keep_their_order(client):
    run = client.run("import matplotlib.pyplot as plt\nfor n in range(3):\n    plt.figure(figsize=(n + 2, 2))\n"
                     "    plt.plot([n])").ok()
    widths = [size_of(png_of(one))[0] for one in figures(run)]
    assert len(widths) == 3 and widths == sorted(widths)


def test_39_a_figure_as_a_value_is_shown_once_or_as_ipython_does(client):
    run = client.run("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])\nplt.close(fig)\nfig")
    assert len(figures(run)) == 1


def test_39_display_of_a_figure(client):
    run = client.run("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nplt.close(fig)\ndisplay(fig)").ok()
    assert len(figures(run)) == 1


def test_39_savefig_works(client):
    run = client.run(PLOT + "plt.savefig('saved.png')\nplt.close()\nopen('saved.png', 'rb').read(8)").ok()
    assert run.result == repr(PNG)


def test_39_objects_without_pyplot(client):
    run = client.run("from matplotlib.figure import Figure\nf = Figure()\nf.subplots().plot([1, 2])\nf").ok()
    assert len(figures(run)) == 1


def test_39_pandas_plots(client):
    assert len(figures(client.run("import pandas\npandas.Series([1, 3, 2]).plot();").ok())) == 1


@pytest.fixture(scope="module")
def inline(module_place):
    """A kernel of its own: formats that are set stay set."""
    from support.shared import Shared
    made = Shared(module_place, policy=module_place.policy("formats", outputs=OUTPUTS))
    yield made
    assert not made.stop()


def test_39_matplotlib_inline(inline):
    client = inline.kernel().client
    client.run("%matplotlib inline").ok()
    assert len(figures(client.run(PLOT).ok())) == 1


@pytest.mark.parametrize("kind, mime", [("svg", "image/svg+xml"), ("pdf", "application/pdf"), ("png", "image/png"),
                                        ("jpeg", "image/jpeg")])
def test_39_formats(inline, kind, mime):
    client = inline.kernel().client
    client.run("%matplotlib inline").ok()
    run = client.run("from matplotlib_inline.backend_inline import set_matplotlib_formats\n"
                     "set_matplotlib_formats('%s')" % kind).ok()
    shown = client.run(PLOT).ok().of("display_data")
    assert len(shown) == 1 and mime in shown[0].content["data"], run
    data = shown[0].content["data"][mime]
    if kind == "svg":
        assert "<svg" in data
    else:
        head = {"pdf": b"%PDF", "png": PNG, "jpeg": b"\xff\xd8"}[kind]
        assert base64.b64decode(data).startswith(head)


def test_39_config_magic_sets_formats(inline):
    client = inline.kernel().client
    client.run("%matplotlib inline").ok()
    client.run("%config InlineBackend.figure_formats = ['svg']").ok()
    shown, = client.run(PLOT).ok().of("display_data")
    assert "image/svg+xml" in shown.content["data"]
    client.run("%config InlineBackend.figure_formats = ['png']").ok()


def test_39_retina_has_width_and_height(inline):
    client = inline.kernel().client
    client.run("%matplotlib inline\nfrom matplotlib_inline.backend_inline import set_matplotlib_formats\n"
               "set_matplotlib_formats('retina')").ok()
    shown, = figures(client.run(PLOT).ok())
    size = shown.content["metadata"]["image/png"]
    width, height = size_of(png_of(shown))
    assert (size["width"], size["height"]) == (width // 2, height // 2)
    client.run("set_matplotlib_formats('png')").ok()


# --- 40

def comm_with_buffers(client, code):
    run = client.run("try:\n    from comm import create_comm as Comm\nexcept ImportError:\n"
                     "    from ipykernel.comm import Comm\n" + code)
    return run.ok()


def test_40_binary_buffers_are_byte_exact(client):
    code = "c = Comm(target_name='t', data={'n': 1}, buffers=[bytes(range(256)) * 40, b'', b'\\x00'])"
    opened, = comm_with_buffers(client, code).of("comm_open")
    assert opened.buffers == [bytes(range(256)) * 40, b"", b"\0"]
    big = client.run("c.send({'x': 1}, buffers=[memoryview(bytes(range(256)) * 16384)])").ok()
    message, = big.of("comm_msg")
    assert message.buffers == [bytes(range(256)) * 16384]


def raw_content(message):
    return message.parts[3].decode()


def test_40_big_integers_and_nan_survive(client):
    number = 2 ** 200 + 1
    run = client.run("display({'application/json': {'big': 2**200 + 1, 'nan': float('nan'), 'inf': float('inf'),"
                     " 'small': 1e-320, 'exact': 0.1}, 'text/plain': ''}, raw=True)").ok()
    shown, = run.of("display_data")
    value = shown.content["data"]["application/json"]
    assert value["big"] == number and str(number) in raw_content(shown)
    assert value["exact"] == 0.1
    assert "nan" in value  # as NaN, null or a word: but the message arrives and is JSON that we can read
    client.run("1").ok()


def test_40_big_integers_survive_in_comms(client):
    code = "c = Comm(target_name='t', data={'big': 2**70})"
    opened, = comm_with_buffers(client, code).of("comm_open")
    assert opened.content["data"] == {"big": 2 ** 70}


def test_40_user_expressions_of_any_text(client):
    run = client.run("pass", user_expressions={"x": "chr(0) + '\\\\u2028' + chr(0x1f600)"}).ok()
    assert json.dumps(run.content["user_expressions"]["x"]["status"]) == '"ok"'
