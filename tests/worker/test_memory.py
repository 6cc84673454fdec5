"""A worker whose memory is full: it answers, or says why it ends."""

import pytest

LIMIT = 400 << 20
FULL = """
import threading, time
hold, stop = [], False
def eat():
    for size in (1 << 20, 100_000, 3000):
        while True:
            try: hold.append(bytearray(size))
            except MemoryError: break
eaten = threading.Thread(target=eat, daemon=True)
eaten.start()
"""
GREEDY = """
import threading, time
hold = []
def eat():
    while True:
        try: hold.append(bytearray(50_000))
        except MemoryError: time.sleep(0.001)
threading.Thread(target=eat, daemon=True).start()
"""
MEMORY_LEFT = "import resource, mmap\ndef left():\n    n = 0\n    maps = []\n    try:\n        while True: maps.append(mmap.mmap(-1, 1 << 20, 34))\n    except OSError: return len(maps)\nleft()"
OUT_OF_MEMORY = 72


@pytest.fixture
def bounded(fresh):
    host = fresh()
    host.execute("import resource; resource.setrlimit(resource.RLIMIT_DATA, (%d, %d))" % (LIMIT, LIMIT))
    # The limits are looked at when a worker starts; a jail has set them before.
    found = host.execute("import gc; from cellblock_worker import memory, worker\ngc.unfreeze(); made = memory.Reserve()\n"
                         "one = next(one for one in gc.get_objects() if type(one) is worker.Worker)\n"
                         "one._reserve = one._channel.reserve = get_ipython().reserve = made\ndel one, made")
    assert found.status == "ok", found.error
    host.execute("kept = 'kept'")
    return host


def test_a_thread_that_fills_the_memory_between_cells(bounded):
    bounded.execute(FULL)
    bounded.execute("eaten.join(); len(hold)")
    for _ in range(3):
        result = bounded.execute("print('small', kept)")
        assert result.status == "ok" and result.stdout == "small kept\n" and not result.stderr, result.frames
    error = bounded.execute("bytearray(300 << 20)").error
    assert error["ename"] == "MemoryError" and "limits.memory" in "".join(error["traceback"])
    assert bounded.execute("hold.clear(); kept").result == "'kept'"


def test_a_thread_that_never_gives_up(bounded):
    """It takes whatever is lent; then each cell gets an answer, or the worker ends with the status that says why."""
    bounded.execute(GREEDY)
    for _ in range(5):
        cell = bounded.begin("import time; time.sleep(0.2); print('small', kept)")
        try:
            result = bounded.finish(cell)
        except (AssertionError, ConnectionError):
            assert bounded.worker_exited()["exit_status"] == OUT_OF_MEMORY
            return
        assert "Exception in callback" not in result.stderr
        assert result.status == "ok" or result.error["ename"] == "MemoryError", result.frames


def test_what_was_printed_before_the_memory_was_full_is_not_lost(bounded):
    bounded.execute(FULL)
    result = bounded.execute("eaten.join()\nfor n in range(2000): print('line', n)\nprint('x' * 300_000)")
    lines = result.stdout.splitlines()
    if result.status == "ok":
        assert lines[:2000] == ["line %d" % n for n in range(2000)] and len(lines[2000]) == 300_000
    else:
        assert lines == ["line %d" % n for n in range(len(lines))]


def test_completion_and_comms_when_memory_is_full(bounded):
    bounded.execute(FULL)
    bounded.execute("eaten.join()")
    assert "matches" in bounded.ask("complete", code="kep", cursor=3)
    bounded.comm("comm_msg", "nobody", {"x": 1})
    assert bounded.execute("1").result == "1"


def test_limits_that_a_cell_sets_itself_stay(bounded):
    """It may lower the soft one, and the hard one too, below what the worker holds back: the worker lives with that."""
    told = "import resource; resource.getrlimit(resource.RLIMIT_DATA)"
    for soft, hard in ((LIMIT * 3 // 4, LIMIT), (LIMIT // 2, LIMIT * 3 // 4), (LIMIT // 2, LIMIT // 2)):
        assert bounded.execute("resource.setrlimit(resource.RLIMIT_DATA, (%d, %d))" % (soft, hard)).status == "ok"
        for _ in range(2):
            assert bounded.execute(told).result == "(%d, %d)" % (soft, hard)
            assert bounded.execute("1/0").error["ename"] == "ZeroDivisionError"
            assert "matches" in bounded.ask("complete", code="kep", cursor=3)
        assert bounded.execute("bytearray(%d)" % LIMIT).error["ename"] == "MemoryError"
    assert bounded.execute("kept").result == "'kept'"


def test_a_hundred_threads_that_sleep(bounded):
    result = bounded.execute("import threading, time\nfor n in range(106): threading.Thread(target=time.sleep, args=(2,), "
                             "daemon=True).start()\nthreading.active_count() > 100")
    assert result.result == "True", result.frames


def test_deep_recursion_in_a_thread_is_an_error(host):
    """C code that calls itself needs the most stack."""
    code = ("import threading, json\nfound = []\ndef deep():\n    x = []\n    for n in range(200_000): x = [x]\n"
            "    for work in (repr, json.dumps):\n        try: work(x)\n"
            "        except RecursionError as error: found.append(work.__name__)\n"
            "    while x: x = x.pop()\n"
            "thread = threading.Thread(target=deep); thread.start(); thread.join(); found")
    assert host.execute(code).result == "['repr', 'dumps']"
    assert host.execute("def down(n): return n and down(n - 1)\nthread = threading.Thread(target=down, args=(900,))\n"
                        "thread.start(); thread.join(); 'alive'").result == "'alive'"
