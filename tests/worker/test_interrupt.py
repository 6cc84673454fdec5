"""SIGINT: a cell ends, the worker and its variables live."""

import time


def interrupted(host, code, wait=0.3, timeout=20):
    cell = host.begin(code)
    time.sleep(wait)
    host.interrupt()
    return host.finish(cell, timeout=timeout)


def test_a_loop(host):
    host.execute("kept = 1")
    assert interrupted(host, "while True: pass").error["ename"] == "KeyboardInterrupt"
    assert host.execute("kept").result == "1"


def test_a_sleep(host):
    begin = time.monotonic()
    assert interrupted(host, "import time; time.sleep(60)").error["ename"] == "KeyboardInterrupt"
    assert time.monotonic() - begin < 5


def test_an_await(host):
    result = interrupted(host, "import asyncio\nawait asyncio.sleep(60)")
    assert result.error["ename"] == "KeyboardInterrupt"
    assert host.execute("await asyncio.sleep(0, 5)").result == "5"


def test_an_await_can_catch_it(host):
    result = interrupted(host, "try:\n    await asyncio.sleep(60)\nexcept KeyboardInterrupt:\n    print('caught')")
    assert result.stdout == "caught\n" and result.status == "ok"


def test_a_gathering_cell(host):
    result = interrupted(host, "await asyncio.gather(asyncio.sleep(60), asyncio.sleep(61))")
    assert result.error["ename"] == "KeyboardInterrupt"


def test_a_task_left_behind_that_holds_the_loop(host):
    result = interrupted(host, "async def spin():\n    while True: pass\nasync def start(): asyncio.create_task(spin())\n"
                               "await start()\nawait asyncio.sleep(1)", wait=0.5)
    assert result.status in ("ok", "error")
    assert host.execute("1").result == "1"


def test_a_child_program(host):
    begin = time.monotonic()
    result = interrupted(host, "!sleep 60")
    assert result.status == "error" and time.monotonic() - begin < 10
    result = interrupted(host, "import subprocess; subprocess.run(['sleep', '60'])")
    assert result.error["ename"] == "KeyboardInterrupt"
    result = interrupted(host, "%%bash\nsleep 60")
    assert time.monotonic() - begin < 30


def test_endless_printing(host):
    for _ in range(5):
        result = interrupted(host, "while True: print('x' * 100)", wait=0.2)
        assert result.error["ename"] == "KeyboardInterrupt"
    for _ in range(5):
        result = interrupted(host, "from IPython.display import display, HTML\nwhile True: display(HTML('x' * 10000)); print('y')", wait=0.1)
        assert result.error["ename"] == "KeyboardInterrupt"
    assert host.execute("1").result == "1"


def test_between_cells_it_is_ignored(host):
    for _ in range(20):
        host.interrupt()
    time.sleep(0.2)
    assert host.execute("2").result == "2"


def test_right_after_the_request_it_is_not_lost(host):
    for _ in range(20):
        cell = host.begin("import time; time.sleep(30)")
        host.interrupt()
        assert host.finish(cell, timeout=10).error["ename"] == "KeyboardInterrupt"
    assert host.execute("3").result == "3"


def test_a_storm_of_interrupts(host):
    for _ in range(100):
        cell = host.begin("for i in range(300): print(i)")
        for _ in range(3):
            host.interrupt()
        host.finish(cell, timeout=10)
    time.sleep(0.2)
    assert host.execute("4").result == "4"


def test_a_handler_that_a_cell_sets_lasts_for_the_cell(host):
    assert host.execute("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);").status == "ok"
    assert interrupted(host, "while True: pass").error["ename"] == "KeyboardInterrupt"


def test_pre_and_post_hooks_stay_balanced(host):
    host.execute("n = [0, 0]\nip = get_ipython()\nip.events.register('pre_run_cell', lambda i: n.__setitem__(0, n[0] + 1))\n"
                 "ip.events.register('post_run_cell', lambda r: n.__setitem__(1, n[1] + 1))")
    host.execute("pass")
    assert host.execute("n").result == "[2, 2]"


HOOKS = """
import time
ip, armed, called = get_ipython(), [], []
def slow(*_):
    if armed:
        armed.clear()
        time.sleep(30)
def behind(*_): called.append("behind")
def after(result): called.append(type(result.error_before_exec or result.error_in_exec).__name__)
ip.events.register(%(event)r, slow)
ip.events.register(%(event)r, behind)
ip.events.register("post_run_cell", after)
"""


def test_one_that_comes_while_a_hook_runs_ends_the_cell(fresh):
    for event, ran, called in (("pre_execute", False, ["KeyboardInterrupt"]), ("pre_run_cell", False, ["KeyboardInterrupt"]),
                               ("post_execute", True, ["NoneType"]), ("post_run_cell", True, [])):
        host = fresh()
        host.execute(HOOKS % {"event": event})
        if not ran:
            host.execute("called.clear(); armed.append(1)", silent=True)
        result = interrupted(host, "ran = True; armed.append(1); called.clear()" if ran else "ran = True", wait=1)
        assert result.error["ename"] == "KeyboardInterrupt", event
        assert host.execute("print(called[:1], 'ran' in globals())").stdout == "%s %s\n" % (called, ran), event


def test_a_hook_that_fails_is_told_and_the_cell_runs(fresh):
    host = fresh()
    host.execute("def bad(*_): 1 / 0\nget_ipython().events.register('pre_run_cell', bad)")
    result = host.execute("print('ran')")
    assert "Error in callback" in result.stdout and result.stdout.endswith("ran\n") and result.status == "ok"
    assert result.of("error")[0]["ename"] == "ZeroDivisionError"


def test_the_traceback_shows_nothing_of_ours(host):
    for code in ("while True: pass", "import time; time.sleep(60)", "!sleep 60"):
        error = interrupted(host, code).error
        assert error["ename"] == "KeyboardInterrupt" and "cellblock_worker" not in "".join(error["traceback"])


def test_a_signal_that_does_not_end_the_main_threads_wait(host):
    """As one does that comes just before the wait. Here another thread takes it."""
    begin = time.monotonic()
    result = host.execute("import signal, threading, time\n"
                          "def strike():\n"
                          "    time.sleep(0.3)\n"
                          "    signal.pthread_kill(threading.get_ident(), signal.SIGINT)\n"
                          "threading.Thread(target=strike).start()\n"
                          "time.sleep(30)")
    assert result.error["ename"] == "KeyboardInterrupt" and time.monotonic() - begin < 20


def test_an_interrupt_is_one_exception(host):
    """What a cell does about it isn't interrupted by the same signal again."""
    code = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    time.sleep(0.5)\n    print('tidied up')"
    for _ in range(5):
        assert interrupted(host, code).stdout == "tidied up\n"


def test_a_handler_of_the_cells_own_is_called_once(host):
    code = ("import signal, time\ncalls = []\nsignal.signal(signal.SIGINT, lambda *_: calls.append(1))\n"
            "time.sleep(1.5)\nprint(len(calls))")
    assert interrupted(host, code).stdout == "1\n"
    assert interrupted(host, "while True: pass").error["ename"] == "KeyboardInterrupt"
