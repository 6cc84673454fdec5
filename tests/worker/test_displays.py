"""Rich output: MIME bundles, buffers, exactness, updates."""

import json

PNG = "b'\\x89PNG\\r\\n\\x1a\\n' + bytes(range(256))"
RAW_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def publish(host, data, **keys):
    extra = "".join(", %s=%r" % item for item in keys.items())
    return host.execute("from IPython.display import publish_display_data\npublish_display_data(%s%s)" % (data, extra))


def test_bytes_travel_raw(host):
    frame, = publish(host, "{'image/png': %s}" % PNG).displays
    assert frame["kind"] == "display_data" and frame["data"]["image/png"] == RAW_PNG


def test_base64_of_images_is_decoded(host):
    frame, = publish(host, "{'image/png': __import__('base64').b64encode(%s).decode()}" % PNG).displays
    assert frame["data"]["image/png"] == RAW_PNG
    frame, = host.execute("from IPython.display import Image; Image(%s)" % PNG).displays
    assert frame["data"]["image/png"] == RAW_PNG


def test_json_is_exact(host):
    frame, = publish(host, "{'application/json': {'big': 2**80, 'nan': float('nan'), 'inf': -float('inf'), 'f': 0.1}}").displays
    assert frame["data"]["application/json"] == {"big": 2 ** 80, "nan": "nan", "inf": "-inf", "f": 0.1}


def test_json_of_odd_values(host):
    frame, = publish(host, "{'application/json': {1: (1, 2), None: b'x', 's': {3}, 'd': __import__('datetime').date(2020, 1, 2)}}").displays
    assert frame["data"]["application/json"] == {"1": [1, 2], "null": "eA==", "s": [3], "d": "2020-01-02"}


def test_json_too_deep_is_an_error_of_the_cell(host):
    result = host.execute("deep = []\nfor _ in range(5000): deep = [deep]\n"
                          "from IPython.display import publish_display_data\npublish_display_data({'application/json': deep})")
    assert result.error["ename"] == "ValueError" and "nested" in result.error["evalue"]
    assert host.execute("1").result == "1"


def test_a_cycle_in_json_is_an_error_of_the_cell(host):
    result = host.execute("c = []; c.append(c)\npublish_display_data({'application/json': c})")
    assert result.status == "error" and host.execute("1").result == "1"


def test_metadata_passes(host):
    frame, = publish(host, "{'text/plain': 'x'}", metadata={"text/plain": {"a": 1}}).displays
    assert frame["metadata"] == {"text/plain": {"a": 1}}


def test_large_text_passes(host):
    frame, = publish(host, "{'text/html': 'h' * 20_000_000}").displays
    assert frame["data"]["text/html"] == "h" * 20_000_000


def test_an_output_too_large_for_a_frame_is_left_out_with_a_word(host):
    result = publish(host, "{'image/png': bytes(65 << 20)}")
    assert result.displays == [] and "left out" in result.stderr and result.status == "ok"


def test_display_id_and_update(host):
    result = host.execute("from IPython.display import display, HTML\nh = display(HTML('a'), display_id='one')\nh.update(HTML('b'))")
    assert [(frame["kind"], frame["display_id"], frame["data"]["text/html"]) for frame in result.displays] == [
        ("display_data", "one", "a"), ("update_display_data", "one", "b")]
    frame, = host.execute("display(1, display_id=True);").displays
    assert frame["display_id"]


def test_display_id_of_a_result(host):
    frame, = host.execute("get_ipython().displayhook.transient = {'display_id': 'r'}\n5").displays
    assert frame["kind"] == "execute_result" and frame["display_id"] == "r"
    assert host.execute("6").displays[0]["display_id"] is None


def test_clear_output(host):
    result = host.execute("from IPython.display import clear_output\nprint('a')\nclear_output(wait=True)\nprint('b')")
    assert [frame["type"] for frame in result.frames] == ["stream", "clear_output", "stream", "done"]
    assert result.of("clear_output")[0]["wait"] is True


def test_display_keeps_its_place_among_prints(host):
    result = host.execute("from IPython.display import display, HTML\nimport os\nprint(1)\ndisplay(HTML('2'))\nos.write(1, b'3')\ndisplay(HTML('4'));")
    assert [frame.get("text") or frame["data"]["text/html"] for frame in result.frames[:-1]] == ["1\n", "2", "3", "4"]


def test_ipythons_display_classes(host):
    kinds = {"Markdown('*m*')": "text/markdown", "Latex('$x$')": "text/latex", "Javascript('1')": "application/javascript",
             "JSON({'a': 1})": "application/json", "SVG('<svg/>')": "image/svg+xml", "HTML('<b>')": "text/html",
             "Audio(b'RIFF', rate=1)": "text/html", "Math('x')": "text/latex"}
    for code, mime in kinds.items():
        frame, = host.execute("from IPython.display import *\n" + code).displays
        assert mime in frame["data"], (code, frame["data"])
    assert host.execute("JSON({'a': 1})").displays[0]["data"]["application/json"] == {"a": 1}


def test_pandas_tables(host, has):
    has("pandas")
    frame, = host.execute("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})\ndf").displays
    assert "<table" in frame["data"]["text/html"] and "a" in frame["data"]["text/plain"]
    has("jinja2")
    frame, = host.execute("df.style.highlight_max()").displays
    assert "<style" in frame["data"]["text/html"]


def test_display_in_a_forked_child_is_text(host):
    result = host.execute("import os\nfrom IPython.display import display, HTML\npid = os.fork()\n"
                          "if not pid:\n    display(HTML('x'))\n    os._exit(0)\nos.waitpid(pid, 0);")
    assert "IPython" in result.stdout and result.displays == []


def test_odd_names_do_no_harm(host):
    frame, = publish(host, "{'text/plain': 'x', '': 'y', 'z' * 5000: 'long'}").displays
    assert frame["data"] == {"text/plain": "x"}
    frame, = host.execute("display(1, display_id='i' * 5000);").displays
    assert len(frame["display_id"]) == 64
    assert json.dumps(frame["data"])


def test_display_hooks_of_a_thread(host):
    result = host.execute("seen = []\nip = get_ipython()\ndef hook(m): seen.append(m['content']['data']); return None\n"
                          "ip.display_pub.register_hook(hook)\ndisplay(1)\nip.display_pub.unregister_hook(hook)\nlen(seen)")
    assert result.result == "1" and len(result.displays) == 1


def test_a_formatter_for_a_plain_type_is_asked(host):
    host.execute("html = get_ipython().display_formatter.formatters['text/html']")
    assert set(host.execute("7").displays[0]["data"]) == {"text/plain"}
    for kind in ("int", "object"):
        host.execute("before = html.for_type(%s, lambda value: '<b>%%s</b>' %% value)" % kind)
        assert host.execute("7").displays[0]["data"]["text/html"] == "<b>7</b>"
        host.execute("html.pop(%s)" % kind)
    host.execute("html.for_type_by_name('builtins', 'int', lambda value: '<i>%s</i>' % value)")
    assert host.execute("7").displays[0]["data"]["text/html"] == "<i>7</i>"
    host.execute("html.pop(int)")


def test_a_plain_types_subclass_shows_itself(host):
    host.execute("class Money(int):\n    def _repr_html_(self): return '<b>%d</b>' % self")
    assert host.execute("Money(7)").displays[0]["data"]["text/html"] == "<b>7</b>"


def test_texts_of_any_length_travel_as_texts(host):
    frame, = publish(host, "{'text/%d' % n: chr(0x1f600) * 3000 * n for n in range(60)}").displays
    assert frame["data"] == {"text/%d" % n: "\U0001f600" * 3000 * n for n in range(60)}


def test_metadata_of_great_size_is_left_out_with_a_word(host):
    result = publish(host, "{'text/plain': 'x'}, {'a': 'm' * (2 << 20)}")
    assert result.displays == [] and "metadata of 2.0 MiB" in result.stderr and result.status == "ok"


def test_an_error_fits_whatever_its_characters_are(host):
    for text in (r"'\x1b' * 400_000", r"'\U0001f600' * 400_000", r"'\n\x01' * 400_000"):
        result = host.execute("raise ValueError(%s)" % text)
        assert result.error["ename"] == "ValueError" and result.error["traceback"]


ALTAIR = """
import contextlib, sys, types
altair = sys.modules["altair"] = types.ModuleType("altair")
class Renderers:
    active = "default"
    @contextlib.contextmanager
    def enable(self, name):
        before, self.active = self.active, name
        yield
        self.active = before
altair.renderers = Renderers()
class TopLevelMixin:
    def _repr_mimebundle_(self, *a, **k):
        return ({"text/html": "<script></script>", "text/plain": "html"} if altair.renderers.active != "mimetype" else
                ({"application/vnd.vegalite.v6.json": {"mark": "bar"}, "text/plain": "not enabled"}, {}))
TopLevelMixin.__module__ = "altair.vegalite.v6.api"
class Chart(TopLevelMixin):
    def __repr__(self): return "alt.Chart(...)"
Chart()
"""


def test_altairs_charts_are_what_front_ends_draw(host):
    frame, = host.execute(ALTAIR).displays
    assert frame["data"] == {"application/vnd.vegalite.v5+json": {"mark": "bar"}, "text/plain": "alt.Chart(...)"}
    frame, = host.execute("altair.renderers.active = 'html'\nChart()").displays
    assert frame["data"] == {"text/html": "<script></script>", "text/plain": "html"}
