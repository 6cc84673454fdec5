"""Lines 17-32: execute."""

import re

import pytest


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --- 17: order

def test_17_busy_input_outputs_idle(client):
    client.run("1").ok()  # while the sandbox still starts, a cell says so
    run = client.run("print('out'); 6 * 7")
    assert run.types == ["status", "execute_input", "stream", "execute_result", "status"]
    assert run.states == ["busy", "idle"]
    assert run.of("execute_input")[0].content == {"code": "print('out'); 6 * 7",
                                                  "execution_count": run.content["execution_count"]}
    assert run.reply.channel == "shell" and run.status == "ok"


def test_17_all_have_the_request_as_parent(client):
    run = client.run("import sys; print(1); print(2, file=sys.stderr); display(3); 4")
    client.fence()
    strangers = [one for one in client.log if one.parent_id != run.id and one.type not in
                 ("status", "kernel_info_reply", "iopub_welcome")]
    assert strangers == []
    assert {"stream", "display_data", "execute_result"} <= set(run.types)


def test_17_outputs_were_made_before_the_reply(client):
    for _ in range(10):
        run = client.run("print('a'); display(1); 2")
        outputs = run.of("stream", "display_data", "execute_result")
        assert max(one.header["date"] for one in outputs) <= run.reply.header["date"]


def test_17_an_empty_cell(client):
    run = client.run("")
    assert run.status == "ok" and run.states == ["busy", "idle"]
    assert not run.of("stream", "execute_result", "error")


# --- 18, 19: silent, store_history, the count

def test_18_silent_gives_status_alone(client):
    count = client.run("1").content["execution_count"]
    run = client.run("6 * 7", silent=True, store_history=False)
    assert run.types == ["status", "status"] and run.status == "ok"
    assert client.run("1").content["execution_count"] == count + 1


def test_18_silent_runs_the_code(client):
    client.run("quiet = 'ran'", silent=True)
    assert client.run("quiet").result == "'ran'"


def test_18_a_silent_error_is_in_the_reply_alone(client):
    run = client.run("1/0", silent=True, store_history=False)
    assert run.status == "error" and run.content["ename"] == "ZeroDivisionError"
    assert not run.of("execute_input", "stream", "execute_result")


def test_19_the_count_rises_with_store_history_alone(client):
    first = client.run("1").content["execution_count"]
    assert client.run("1").content["execution_count"] == first + 1
    client.run("1", store_history=False)
    client.run("1", store_history=False)
    assert client.run("1").content["execution_count"] == first + 2


def test_19_a_blank_cell_does_not_count(client):
    first = client.run("1").content["execution_count"]
    for code in ("", "  \n\t "):
        run = client.run(code)
        assert run.types == ["status", "execute_input", "status"]
        assert run.of("execute_input")[0].content["execution_count"] == first + 1
        assert run.content["execution_count"] == first and run.status == "ok"
    assert client.run("# a remark").content["execution_count"] == first + 1
    kept = client.ask("history_request", {"hist_access_type": "tail", "n": 2, "raw": True, "output": False})
    assert [line[2] for line in kept.content["history"]] == ["1", "# a remark"]


def test_19_the_count_rises_after_an_error_too(client):
    first = client.run("1/0").content["execution_count"]
    assert client.run("1").content["execution_count"] == first + 1


def test_19_result_input_and_reply_tell_the_same_count(client):
    run = client.run("'x'")
    count = run.content["execution_count"]
    assert run.of("execute_result")[0].content["execution_count"] == count
    assert client.run("Out[%d]" % count).result == "'x'"


@pytest.mark.parametrize("number", [3])
def test_19_in_and_out_follow_the_count(client, number):
    count = client.run("'marker %d'" % number).content["execution_count"]
    assert client.run("In[%d]" % count).result == "\"'marker %d'\"" % number


# --- 20: defaults

def only_code(client, code):
    return client.send("shell", "execute_request", {"code": code})


@pytest.mark.ipykernel_fails("it drops a request without `silent`")
def test_20_stop_on_error_is_true_by_default(client):
    failing = only_code(client, "import time; time.sleep(0.3); 1/0")
    after = only_code(client, "'never'")
    assert client.finish(failing).status == "error"
    assert client.finish(after).status == "aborted"


@pytest.mark.ipykernel_fails("it drops a request without `silent`")
def test_20_allow_stdin_is_false_by_default(client):
    run = client.finish(only_code(client, "input()"))
    assert run.status == "error" and run.content["ename"] == "StdinNotImplementedError"


@pytest.mark.ipykernel_fails("it drops a request without `silent`")
def test_20_store_history_is_true_and_silent_false_by_default(client):
    first = client.finish(only_code(client, "1"))
    assert first.result == "1"
    assert client.finish(only_code(client, "1")).content["execution_count"] == \
        first.content["execution_count"] + 1


# --- 21, 22: the queue

def test_21_a_hundred_queued_cells_are_answered_in_order(client):
    requests = [client.execute("print(%d)" % number) for number in range(100)]
    runs = [client.finish(request) for request in requests]
    assert [run.stdout for run in runs] == ["%d\n" % number for number in range(100)]
    replies = [one.parent_id for one in client.log if one.type == "execute_reply"]
    assert replies == requests
    counts = [run.content["execution_count"] for run in runs]
    assert counts == list(range(counts[0], counts[0] + 100))
    assert all(run.states == ["busy", "idle"] for run in runs)


def test_21_cells_never_overlap(client):
    requests = [client.execute("1") for _ in range(30)]
    for request in requests:
        client.finish(request)
    parents = [one.parent_id for one in client.log if one.channel == "iopub" and one.parent_id in requests]
    ordered = [parent for place, parent in enumerate(parents) if place == 0 or parents[place - 1] != parent]
    assert ordered == requests


SLOW_ERROR = "import time; time.sleep(0.5); raise RuntimeError('stop')"


def test_22_an_error_aborts_the_cells_queued_then(client):
    count = client.run("ran = []").content["execution_count"]
    failing = client.execute(SLOW_ERROR)
    queued = [client.execute("ran.append(%d)" % number) for number in range(5)]
    assert client.finish(failing).status == "error"
    for request in queued:
        run = client.finish(request)
        assert run.status == "aborted" and run.states == ["busy", "idle"]
        assert not run.of("execute_input", "stream", "execute_result", "error")
    after = client.run("ran")
    assert after.result == "[]" and after.content["execution_count"] == count + 2


@pytest.mark.parametrize("kind, content", [
    ("kernel_info_request", {}),
    ("comm_info_request", {}),
    ("inspect_request", {"code": "print", "cursor_pos": 5, "detail_level": 0}),
    ("complete_request", {"code": "pri", "cursor_pos": 3}),
    ("is_complete_request", {"code": "1"}),
    ("history_request", {"output": False, "raw": True, "hist_access_type": "tail", "n": 1}),
])
def test_22_other_requests_in_the_queue_are_answered(client, kind, content):
    failing = client.execute(SLOW_ERROR)
    request = client.send("shell", kind, content)
    queued = client.execute("1")
    assert client.finish(failing).status == "error"
    answered = client.finish(request)
    assert answered.reply.type == kind.replace("_request", "_reply")
    assert answered.content.get("status") not in ("error", "aborted")
    assert client.finish(queued).status == "aborted"


def test_22_without_stop_on_error_nothing_is_aborted(client):
    failing = client.execute(SLOW_ERROR, stop_on_error=False)
    queued = client.execute("'went on'")
    assert client.finish(failing).status == "error"
    assert client.finish(queued).result == "'went on'"


def test_22_another_clients_cells_are_aborted_too(kernel, client):
    other = kernel.connect()
    failing = client.execute(SLOW_ERROR)
    client.first(failing, "execute_input")
    queued = other.execute("1")
    other.fence("control")
    client.finish(failing)
    assert other.finish(queued).status == "aborted"


@pytest.mark.ipykernel_fails("6.17 still aborts cells sent after the error was told, now and then")
def test_22_cells_sent_after_the_error_was_told_run(client):
    for _ in range(5):
        client.finish(client.execute("1/0"))
        assert client.run("5").result == "5"


# --- 23, 24, 25: errors, user expressions

def test_23_an_error_reply_is_whole(client):
    run = client.run("1/0", user_expressions={"a": "1"})
    content = run.content
    assert content["status"] == "error" and content["ename"] == "ZeroDivisionError"
    assert content["evalue"] == "division by zero" and "ZeroDivisionError" in plain(run.traceback)
    assert isinstance(content["execution_count"], int)
    assert content["payload"] == [] and isinstance(content["user_expressions"], dict)
    shown, = run.of("error")
    assert {name: shown.content[name] for name in ("ename", "evalue", "traceback")} == \
        {name: content[name] for name in ("ename", "evalue", "traceback")}


@pytest.mark.parametrize("code, name", [
    ("def (:", "SyntaxError"), ("  x = 1\n y = 2", "IndentationError"), ("undefined_name", "NameError"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"), ("assert 0", "AssertionError"),
    ("raise ExceptionGroup('g', [ValueError('a'), TypeError('b')])", "ExceptionGroup"),
    ("%no_such_magic", None),
])
def test_23_errors_of_all_kinds(client, code, name):
    if name == "ExceptionGroup" and client.run(name).status == "error":
        pytest.skip("this Python has no exception groups")
    run = client.run(code)
    if name:
        assert run.status == "error" and run.content["ename"] == name
        assert len(run.of("error")) == 1
    assert client.run("1").result == "1"


@pytest.mark.ipykernel_fails("a null byte in a cell gets no reply")
def test_23_a_null_byte_in_the_code(client):
    assert client.run("'\x00'", timeout=10).status in ("ok", "error")
    assert client.run("1").result == "1"


def test_23_an_error_of_a_chain_shows_its_cause(client):
    run = client.run("try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise ValueError('outer') from e")
    assert "ZeroDivisionError" in plain(run.traceback) and run.content["evalue"] == "outer"


@pytest.mark.ipykernel_fails("6.17 shows the error and replies ok, or no name")
def test_24_a_failing_repr_is_an_error_reply(client):
    run = client.run("class Bad:\n    def __repr__(self): raise ValueError('no repr')\nBad()")
    assert run.status == "error" and run.content["ename"] == "ValueError"
    assert client.run("1").result == "1"


@pytest.mark.ipykernel_fails("6.17 shows the error and replies ok, or no name")
def test_24_an_exception_whose_text_fails(client):
    run = client.run("class E(Exception):\n    def __str__(self): raise ValueError('no')\nraise E")
    assert run.status == "error" and run.content["ename"] == "E"
    assert client.run("1").result == "1"


def test_25_user_expressions(client):
    run = client.run("x = 20", user_expressions={"good": "x + 1", "bad": "1/0", "syntax": "("})
    values = run.ok().content["user_expressions"]
    assert values["good"]["status"] == "ok" and values["good"]["data"]["text/plain"] == "21"
    assert values["good"]["metadata"] == {}
    assert values["bad"]["status"] == "error" and values["bad"]["ename"] == "ZeroDivisionError"
    assert values["syntax"]["status"] == "error"
    assert isinstance(values["bad"]["traceback"], list)


# --- 26: payloads

def test_26_the_pager_is_a_payload(client):
    payload, = client.run("print?").ok().content["payload"]
    assert payload["source"] == "page" and "text/plain" in payload["data"] and payload["start"] == 0


def test_26_load_sets_the_next_input_once(client):
    client.run("open('/tmp/loaded.py', 'w').write('a = 1\\n')")
    payload, = client.run("%load /tmp/loaded.py").ok().content["payload"]
    assert payload["source"] == "set_next_input" and "a = 1" in payload["text"]
    assert isinstance(payload["replace"], bool)


def test_26_only_the_last_set_next_input_counts(client):
    run = client.run("for n in range(3): get_ipython().set_next_input('n = %d' % n)")
    payload, = run.ok().content["payload"]
    assert payload["text"] == "n = 2"


def test_26_payloads_do_not_pile_up(client):
    client.run("print?")
    assert client.run("1").content["payload"] == []


# --- 27: magics

def test_27_a_line_magic(client):
    assert "per loop" in client.run("%timeit -n 2 -r 1 1 + 1").ok().stdout


def test_27_a_cell_magic(client):
    run = client.run("%%time\nsum(range(10))").ok()
    assert "Wall time" in run.stdout and run.result == "45"


def test_27_capture(client):
    assert client.run("%%capture kept\nprint('hidden')").ok().stdout == ""
    assert client.run("kept.stdout").result == "'hidden\\n'"


def test_27_a_shell_command(client):
    assert client.run("!echo from the shell; exit 3").ok().stdout.split() == ["from", "the", "shell"]
    assert client.run("_exit_code").result == "3"


def test_27_a_shell_command_gives_a_value(client):
    assert client.run("lines = !printf 'a\\nb\\n'\nlist(lines)").result == "['a', 'b']"
    assert client.run("word = 'hey'\n!echo {word} $word").stdout.split() == ["hey", "hey"]


def test_27_ls_lists_the_working_directory(client):
    client.run("open('a-file.txt', 'w').close()").ok()
    assert "a-file.txt" in client.run("!ls").ok().stdout
    client.run("import os; os.remove('a-file.txt')")


def test_27_bash_cells(client):
    run = client.run("%%bash\necho one\necho two >&2").ok()
    assert run.stdout == "one\n" and run.stderr == "two\n"
    assert client.run("%%bash\nexit 3").content["ename"] == "CalledProcessError"


def test_27_run_a_script(client):
    client.run("%%writefile script.py\nimport sys\nprint('script', sys.argv[1:])\nleft = 7").ok()
    assert client.run("%run script.py a b").ok().stdout == "script ['a', 'b']\n"
    assert client.run("left").result == "7"


@pytest.mark.cellblock_only("ipykernel may install")
@pytest.mark.parametrize("code", ["%pip install no-such-package-here", "!pip install no-such-package-here",
                                  "%conda install numpy"])
def test_27_pip_gives_a_clear_answer(client, code):
    run = client.run(code)
    told = plain(run.stdout + run.stderr + run.traceback)
    assert "cellblock" in told or "sandbox" in told, run
    assert client.run("1").result == "1"


# --- 28: await, tasks, context variables

def test_28_top_level_await(client):
    assert client.run("import asyncio\nawait asyncio.sleep(0, 'done')").result == "'done'"
    assert client.run("async def f(): return 5\nawait f()").result == "5"


def test_28_async_with_and_for(client):
    code = "async def gen():\n    for n in range(3): yield n\nasync for n in gen(): print(n)"
    assert client.run(code).stdout == "0\n1\n2\n"


@pytest.mark.ipykernel_fails("6.17 prints a task's output in whatever cell runs")
def test_28_a_tasks_output_belongs_to_the_cell_that_made_it(client):
    first = client.run("import asyncio\ngo = asyncio.Event()\n"
                       "async def later():\n    await go.wait()\n    print('from the task')\n"
                       "task = asyncio.create_task(later())").ok()
    second = client.run("go.set()\nawait task\nprint('second')").ok()
    assert second.stdout == "second\n"
    client.wait(lambda: [one for one in client.of(first.id) if one.type == "stream"], "the task's output")


def test_28_tasks_go_on_between_cells(client):
    first = client.run("import asyncio\nasync def tick():\n    for n in range(3):\n        await asyncio.sleep(.05)\n"
                       "        print('tick', n)\nticking = asyncio.create_task(tick())").ok()
    client.wait(lambda: "tick 2" in "".join(one.content["text"] for one in client.log if one.type == "stream"),
                "ticks after idle", timeout=20)
    assert first.states == ["busy", "idle"]
    assert client.run("ticking.done()").result == "True"


@pytest.mark.ipykernel_fails("6.17 runs async and other cells in differing contexts")
def test_28_context_variables_persist(client):
    client.run("import contextvars, asyncio\nvariable = contextvars.ContextVar('v', default=0)\nvariable.set(5)").ok()
    assert client.run("variable.get()").result == "5"
    client.run("await asyncio.sleep(0)\nvariable.set(6)").ok()
    assert client.run("variable.get()").result == "6"
    assert client.run("await asyncio.sleep(0)\nvariable.get()").result == "6"


def test_28_an_event_loop_is_running(client):
    code = "import asyncio\nasync def f(): return asyncio.get_running_loop().is_running()\nawait f()"
    assert client.run(code).result == "True"


# --- 29: tracebacks

def test_29_tracebacks_are_coloured_and_name_cell_and_line(client):
    run = client.run("a = 1\nb = a / 0")
    assert "\x1b[" in run.traceback
    assert re.search(r"Cell In ?\[%d\], line 2" % run.content["execution_count"], plain(run.traceback))
    assert "----> 2" in plain(run.traceback)


def test_29_tracebacks_through_older_cells(client):
    first = client.run("def fails():\n    raise KeyError('deep')").content["execution_count"]
    text = plain(client.run("fails()").traceback)
    assert re.search(r"Cell In ?\[%d\], line 2" % first, text) and "raise KeyError('deep')" in text


def test_29_no_frame_of_ours_is_shown(client):
    text = plain(client.run("1/0").traceback)
    assert "worker" not in text and "run_cell" not in text and "ipykernel/" not in text


# --- 30: metadata

def test_30_the_reply_tells_when_it_started(client):
    run = client.run("1")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+", run.reply.metadata["started"])
    assert run.reply.metadata["started"] <= run.reply.header["date"]


def test_30_the_requests_metadata_reaches_the_worker(client):
    client.run("ids = []\nget_ipython().events.register('pre_run_cell', lambda info: ids.append(info.cell_id))").ok()
    client.run("pass", metadata={"cellId": "cell-17", "deletedCells": []}).ok()
    assert client.run("ids[0]").result == "'cell-17'"


# --- 31, 32: leaving

@pytest.mark.parametrize("code", ["import sys; sys.exit()", "import sys; sys.exit(3)", "raise SystemExit('bye')"])
def test_31_sys_exit_is_an_error_and_the_kernel_lives(client, kernel, code):
    client.run("kept = 1")
    run = client.run(code)
    assert run.status == "error" and run.content["ename"] == "SystemExit"
    assert kernel.alive() and client.run("kept").result == "1"


@pytest.mark.parametrize("code, keep", [("exit", False), ("quit", False), ("exit()", False),
                                        ("quit(keep_kernel=True)", True), ("exit(True)", True)])
def test_32_exit_and_quit_ask_the_client(client, kernel, code, keep):
    run = client.run(code).ok()
    payload = [one for one in run.content["payload"] if one["source"] == "ask_exit"]
    assert len(payload) == 1 and bool(payload[0]["keepkernel"]) is keep
    assert kernel.alive() and client.run("1").result == "1"
