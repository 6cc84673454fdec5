"""complete, inspect, is_complete, comm_info: answered between cells."""

import time

SMILE = "\U0001f600"
SLOW = '''
import time
class Slow:
    def __dir__(self): time.sleep(60)
slow, kept = Slow(), 1
'''


def test_an_interrupted_query_is_answered_and_nothing_of_it_reaches_the_next_cell(host):
    """It is the worker's first completion, which asks twice where the first answer is empty."""
    host.execute(SLOW)
    host.send({"type": "complete", "query": 901, "code": "slow.", "cursor": 5})
    time.sleep(0.5)
    begin = time.monotonic()
    host.interrupt()
    assert host.until("reply")["query"] == 901 and time.monotonic() - begin < 20
    assert host.execute("kept").result == "1"


def test_an_interrupted_completion_shows_no_traceback_and_a_matcher_that_fails_does(host):
    host.execute("import io, sys, time\n"
                 "def waits(text): time.sleep(60)\n"
                 "def fails(text): raise LookupError(text)\n"
                 "matchers = get_ipython().Completer.custom_matchers\n"
                 "matchers.append(waits)\n"
                 "sys.stderr = shown = io.StringIO()")
    host.send({"type": "complete", "query": 902, "code": "show", "cursor": 4})
    time.sleep(0.5)
    host.interrupt()
    assert host.until("reply")["query"] == 902
    assert host.execute("matchers[:] = [fails]\nshown.getvalue()").result == "''"
    host.ask("complete", code="show", cursor=4)
    assert host.execute("'LookupError' in shown.getvalue()").result == "True"


def test_complete_names(host):
    host.execute("some_long_name = 1")
    content = host.ask("complete", code="some_lo", cursor=7)
    assert content["status"] == "ok" and "some_long_name" in content["matches"], content
    assert (content["cursor_start"], content["cursor_end"]) == (0, 7)
    assert content["metadata"]["_jupyter_types_experimental"][0]["text"] == "some_long_name"


def test_complete_counts_code_points(host):
    code = "x = '%s'; some_lo" % (SMILE * 3)
    content = host.ask("complete", code=code, cursor=len(code))
    assert content["cursor_start"] == len(code) - 7 and content["cursor_end"] == len(code)


def test_complete_attributes_magics_and_several_lines(host):
    host.execute("import os")
    assert any("path" in match for match in host.ask("complete", code="os.pat", cursor=6)["matches"])
    assert "%timeit" in host.ask("complete", code="%timei", cursor=6)["matches"]
    content = host.ask("complete", code="a = 1\nos.getc\nb = 2", cursor=13)
    assert any("getcwd" in match for match in content["matches"])


def test_complete_nothing(host):
    content = host.ask("complete", code="zzz_none", cursor=8)
    assert content["matches"] == [] and content["status"] == "ok"
    assert (content["cursor_start"], content["cursor_end"]) in ((8, 8), (0, 8))


def test_complete_survives_odd_cursors(host):
    assert host.ask("complete", code="abc", cursor=100)["status"] == "ok"
    assert host.ask("complete", code="", cursor=0)["status"] == "ok"


def test_inspect(host):
    host.execute("def documented(a):\n    'the words'\n    return a")
    content = host.ask("inspect", code="documented", cursor=3, detail=0)
    assert content["found"] and "the words" in content["data"]["text/plain"]
    content = host.ask("inspect", code="documented", cursor=3, detail=1)
    assert "return" in content["data"]["text/plain"]


def test_inspect_nothing(host):
    content = host.ask("inspect", code="nope_nope", cursor=3, detail=0)
    assert content == {"status": "ok", "found": False, "data": {}, "metadata": {}}
    assert host.ask("inspect", code="", cursor=0, detail=0)["found"] is False


def test_is_complete(host):
    assert host.ask("is_complete", code="a = 1") == {"status": "complete"}
    assert host.ask("is_complete", code="for x in y:") == {"status": "incomplete", "indent": "    "}
    assert host.ask("is_complete", code="a = ) 1")["status"] == "invalid"


def test_a_failing_query_is_an_error_reply(host):
    assert host.ask("complete", code=5, cursor=0)["status"] == "error"
    assert host.execute("1").result == "1"


def test_comm_info(host):
    assert host.ask("comm_info", target_name=None) == {"status": "ok", "comms": {}}


def test_an_interrupt_that_comes_after_a_query_stops_nothing(host):
    host.ask("is_complete", code="a = 1")
    host.interrupt()
    time.sleep(0.2)
    assert host.execute("1").result == "1"


def test_a_query_after_a_cell_waits_for_its_end(host):
    cell = host.begin("import time; time.sleep(0.2); asked = 1")
    host.send({"type": "complete", "query": 900, "code": "aske", "cursor": 4})
    host.finish(cell)
    frame = host.until("reply")
    assert frame["query"] == 900 and "asked" in frame["content"]["matches"]


def test_the_first_completion_doesnt_wait_for_jedi(host):
    host.execute("import threading\nnumber = 5\nnumber_of_legs = 4")
    first = host.ask("complete", code="number_of", cursor=9)
    assert first["matches"] == ["number_of_legs"]
    host.execute("for one in threading.enumerate():\n    if one.name == 'cellblock-jedi': one.join()")
    content = host.ask("complete", code="number.real.bit_l", cursor=17)
    assert [match.rpartition(".")[2] for match in content["matches"]] == ["bit_length"]
    assert content["metadata"]["_jupyter_types_experimental"][0]["type"] == "function"


def test_what_only_jedi_knows_is_waited_for(host):
    content = host.ask("complete", code="import os\nos.pat", cursor=16)
    assert any(match.rpartition(".")[2] == "path" for match in content["matches"])


def test_what_gets_ready_beside_leaves_the_filters_of_warnings_alone(fresh, has):
    has("jedi")
    host = fresh()
    host.execute("import sys, threading, time, warnings\n"
                 "real, seen = warnings.catch_warnings, []\n"
                 "class Watched(real):\n"
                 "    def __enter__(self):\n"
                 "        seen.append(threading.current_thread() is threading.main_thread())\n"
                 "        return super().__enter__()\n"
                 "warnings.catch_warnings = Watched\n"
                 "before = list(warnings.filters), warnings.showwarning")
    for code in ("before", "warnings.sh", "import os; os.pa"):
        assert host.ask("complete", code=code, cursor=len(code))["status"] == "ok"
    result = host.execute("end = time.monotonic() + 60\n"
                          "while time.monotonic() < end and any(one.name == 'cellblock-jedi' for one in threading.enumerate()):\n"
                          "    time.sleep(0.05)\n"
                          "'jedi' in sys.modules, bool(seen), all(seen), before == (list(warnings.filters), warnings.showwarning)")
    assert result.result == "(True, True, True, True)"
