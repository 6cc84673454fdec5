"""Lines 46-49: complete, inspect, is_complete, history."""

import re

import pytest
from support import kernels


def complete(client, code, cursor=None):
    return client.ask("complete_request", {"code": code, "cursor_pos": len(code) if cursor is None else cursor}
                      ).content


def matched(reply, code):
    """The codes that accepting each match would give."""
    return {code[:reply["cursor_start"]] + one + code[reply["cursor_end"]:] for one in reply["matches"]}


@pytest.mark.parametrize("code, wanted", [
    ("pri", "print"), ("import o", "import os"), ("import os\nos.pat", "import os\nos.path"),
    ("'a'.upp", "'a'.upper"), ("%tim", "%timeit"), ("%%bas", "%%bash"), ("xs = [1]\nxs.app", None),
])
def test_46_completion(client, code, wanted):
    reply = complete(client, code)
    assert reply["status"] == "ok" and reply["cursor_end"] == len(code)
    assert wanted is None or wanted in matched(reply, code)


def test_46_completion_of_variables(client):
    client.run("a_long_name = {'first key': 1}").ok()
    assert "a_long_name" in matched(complete(client, "a_lo"), "a_lo")
    code = "a_long_name['fir"
    assert any("first key" in one for one in matched(complete(client, code), code))


def test_46_completion_in_the_middle(client):
    code = "pri(1)"
    reply = complete(client, code, 3)
    assert (reply["cursor_start"], reply["cursor_end"]) == (0, 3) and "print" in reply["matches"]


@pytest.mark.parametrize("before", ["é = 1; ", "'😀'; ", "s = '😀😀𝒳'\n", "# 👨‍👩‍👧\n"],
                         ids=["latin", "astral", "astrals", "joined"])
def test_46_offsets_are_in_code_points(client, before):
    code = before + "pri"
    reply = complete(client, code)
    assert (reply["cursor_start"], reply["cursor_end"]) == (len(before), len(code))
    assert before + "print" in matched(reply, code)


def test_46_types_are_told(client):
    client.run("import os").ok()
    reply = complete(client, "os.pat")
    types = reply["metadata"]["_jupyter_types_experimental"]
    assert types and {"start", "end", "text", "type"} <= set(types[0])
    assert {one["text"].rpartition(".")[2] for one in types} >= {"path"}


def test_46_nothing_to_complete(client):
    reply = complete(client, "zzzzz_no_such_name")
    assert reply["status"] == "ok" and reply["matches"] == []


def test_46_completion_and_inspection_have_busy_and_idle(client):
    for kind in ("complete_request", "inspect_request"):
        run = client.ask(kind, {"code": "print", "cursor_pos": 5, "detail_level": 0})
        assert run.states == ["busy", "idle"] and run.reply.type == kind.replace("request", "reply")


def inspect(client, code, cursor=None, detail=0):
    return client.ask("inspect_request", {"code": code, "detail_level": detail,
                                          "cursor_pos": len(code) if cursor is None else cursor}).content


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_47_inspect_at_detail_0_and_1(client):
    client.run("def documented(a, b=2):\n    'What it does.'\n    return a + b").ok()
    brief = inspect(client, "documented")
    assert brief["status"] == "ok" and brief["found"] is True
    text = plain(brief["data"]["text/plain"])
    assert "What it does." in text and "documented(a, b=2)" in text
    full = plain(inspect(client, "documented", detail=1)["data"]["text/plain"])
    assert "return a + b" in full and "return a + b" not in text


def test_47_inspect_within_a_call(client):
    reply = inspect(client, "print(1, ", 7)
    assert reply["found"] is True and "print" in plain(reply["data"]["text/plain"])


def test_47_inspect_past_astral_characters(client):
    code = "'😀'; print"
    assert inspect(client, code)["found"] is True


def test_47_what_is_unknown_is_not_found(client):
    reply = inspect(client, "no_such_thing")
    assert reply["status"] == "ok" and reply["found"] is False and reply["data"] == {}


@pytest.mark.parametrize("code, status, indent", [
    ("1 + 1", "complete", None), ("print(1)\n", "complete", None), ("for x in y:", "incomplete", "    "),
    ("def f():\n    if x:", "incomplete", "        "), ("foo(", "incomplete", ""), ("'''abc", "incomplete", ""),
    ("1 +* 2", "invalid", None), ("import = 7", "invalid", None), ("%timeit x", "complete", None),
    ("await f()", "complete", None), ("", "complete", None), ("!ls", "complete", None),
])
def test_48_is_complete(client, code, status, indent):
    reply = client.ask("is_complete_request", {"code": code}).content
    assert reply["status"] == status
    if status == "incomplete":
        assert isinstance(reply["indent"], str)
        if indent:
            assert reply["indent"] == indent
    elif not kernels.is_ipykernel():
        assert "indent" not in reply


# --- 49

@pytest.fixture
def past(start):
    """A fresh kernel with a history."""
    client = start().client
    for code in ("1 + 1", "x = 'two'", "x * 2", "# ünï 😀\n5"):
        client.run(code).ok()
    return client


def history(client, **fields):
    content = {"output": False, "raw": True, "hist_access_type": "tail", **fields}
    return client.ask("history_request", content).content


@pytest.mark.ipykernel_fails("it stores no outputs")
def test_49_history(past):
    reply = history(past, n=2)
    assert reply["status"] == "ok"
    lines = reply["history"]
    assert [line[2] for line in lines] == ["x * 2", "# ünï 😀\n5"]
    assert [line[1] for line in lines] == [3, 4]
    assert all(isinstance(number, int) for line in lines for number in line[:2])
    with_output = history(past, n=3, output=True)["history"]
    assert [one[2] for one in with_output] == [["x = 'two'", None], ["x * 2", "'twotwo'"], ["# ünï 😀\n5", "5"]]


def test_49_range(past):
    session = history(past, n=1)["history"][0][0]
    lines = history(past, hist_access_type="range", session=session, start=2, stop=4)["history"]
    assert [line[1:] for line in lines] == [[2, "x = 'two'"], [3, "x * 2"]]
    current = history(past, hist_access_type="range", session=0, start=1, stop=3, output=True)["history"]
    assert [line[2] for line in current] == [["1 + 1", "2"], ["x = 'two'", None]]


def test_49_search(past):
    for _ in range(3):
        past.run("x * 2").ok()
    found = history(past, hist_access_type="search", pattern="x*", n=10)["history"]
    assert [line[2] for line in found] == ["x = 'two'"] + ["x * 2"] * 4
    unique = history(past, hist_access_type="search", pattern="x [*]*", n=10, unique=True)["history"]
    assert [line[2] for line in unique] == ["x * 2"]
    assert len(history(past, hist_access_type="search", pattern="*", n=2)["history"]) == 2
    assert history(past, hist_access_type="search", pattern="nothing of the kind")["history"] == []


def test_49_the_history_magic(past):
    assert "x = 'two'" in past.run("%history").ok().stdout


def test_49_what_isnt_stored_isnt_told(past):
    past.run("'unstored'", store_history=False).ok()
    past.run("'silent'", silent=True)
    assert "'unstored'" not in [line[2] for line in history(past, n=3)["history"]]
