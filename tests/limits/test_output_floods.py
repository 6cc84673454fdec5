"""Floods of output: no lost reply, no lost idle, a notice where it was cut, bounded memory in the kernel."""

import time

import pytest

MIB = 1 << 20
PEAK = 100 * MIB  # of the kernel process, whatever a cell prints; 13 to 19 MiB were measured
LARGE = {"limits": {"output": "256MiB", "cell_time": "120s", "memory": "1GiB"}}
NOTICE = "limits.output"


def whole(run):
    assert run.states == ["busy", "idle"] and run.status == "ok", run.content
    return run


@pytest.fixture
def large(start_as):
    return start_as(policy=LARGE)


@pytest.fixture
def small(start_as):
    return start_as(policy={"limits": {"output": "1MiB", "cell_time": "120s"}})


def test_ten_thousand_prints(large):
    run = whole(large.client.run("for n in range(10_000): print(n)"))
    assert run.stdout == "".join("%d\n" % n for n in range(10_000))


def test_ten_thousand_flushed_prints(large):
    run = whole(large.client.run("for n in range(10_000): print(n, flush=True)"))
    assert run.stdout == "".join("%d\n" % n for n in range(10_000))


def test_fast_turns_of_two_streams_are_merged(large):
    """Jupyter's server drops what comes faster than 1,000 messages a second."""
    begun = time.monotonic()
    run = whole(large.client.run("import sys\nfor n in range(10_000): print(n); print(-n, file=sys.stderr)\n"
                                 "display('after'); print('end')"))
    took = time.monotonic() - begun
    assert run.stdout == "".join("%d\n" % n for n in range(10_000)) + "end\n"
    assert run.stderr == "".join("%d\n" % -n for n in range(10_000))
    count = len(run.of("stream"))
    print("%d messages in %.1f s" % (count, took))
    assert count < 200 + 200 * took
    assert run.types[-3:-1] == ["display_data", "stream"], run.types[-5:]


def test_a_few_turns_of_two_streams_keep_their_order(large):
    large.client.run("1").ok()  # so that no notice of a slow start comes between
    run = whole(large.client.run("import sys, time\nfor n in range(20): print(n, file=(sys.stdout, sys.stderr)[n % 2], flush=True)"))
    assert "".join(one.content["text"] for one in run.of("stream")) == "".join("%d\n" % n for n in range(20))


def test_ten_thousand_displays(large):
    run = whole(large.client.run("for n in range(10_000): display(n)"))
    assert [one.content["data"]["text/plain"] for one in run.of("display_data")] == [str(n) for n in range(10_000)]


def test_a_hundred_megabytes_arrive_where_the_policy_allows(large):
    run = whole(large.client.run("line = 'x' * 99 + '\\n'\nfor n in range(1_048_576): print(line, end='')", timeout=120))
    assert len(run.stdout) == 100 * MIB and run.stdout.count("\n") == MIB
    assert NOTICE not in run.stderr
    print("peak of the kernel: %d MiB" % (large.peak_memory() // MIB))
    assert large.peak_memory() < PEAK


def test_a_hundred_megabytes_are_cut_with_a_notice(small):
    run = whole(small.client.run("import sys\nsys.stdout.write(('x' * 99 + '\\n') * 1_048_576); print('end')",
                                 timeout=120))
    assert 0.5 * MIB < len(run.stdout) <= MIB
    # Where it is cut, and at the end of the cell.
    assert run.stderr.count(NOTICE) == 2 and run.stderr.count("1 MiB") == 2
    assert small.peak_memory() < PEAK
    print("peak of the kernel: %d MiB" % (small.peak_memory() // MIB))
    assert whole(small.client.run("print('next')")).stdout == "next\n"


@pytest.mark.parametrize("code", ["import os\nos.write(1, b'') or [os.write(1, b'x' * 65536) for _ in range(800)] and None",
                                  "!head -c 52428800 /dev/zero | tr '\\0' x"], ids=["descriptor", "child"])
def test_floods_through_the_descriptors_are_cut(small, code):
    run = whole(small.client.run(code, timeout=120))
    assert len(run.stdout) <= MIB and NOTICE in run.stderr


def test_one_line_of_fifty_megabytes(large):
    run = whole(large.client.run("print('y' * (50 << 20))", timeout=120))
    assert len(run.stdout) == (50 << 20) + 1 and set(run.stdout[:-1]) == {"y"}
    print("peak of the kernel: %d MiB" % (large.peak_memory() // MIB))
    assert large.peak_memory() < PEAK


def test_one_result_of_fifty_megabytes(small):
    run = small.client.run("class Big:\n    def __repr__(self): return 'z' * (50 << 20)\nBig()", timeout=120)
    assert run.states == ["busy", "idle"]
    assert sum(len(str(one.content)) for one in run.iopub) < 4 * MIB
    assert whole(small.client.run("1")).result == "1"


def test_a_flood_of_stderr_and_an_error(small):
    run = small.client.run("import sys\nfor n in range(100_000): print('e' * 100, file=sys.stderr)\n1/0", timeout=120)
    assert run.status == "error" and run.content["ename"] == "ZeroDivisionError"
    assert run.states == ["busy", "idle"] and len(run.of("error")) == 1


def test_an_error_of_great_length(small):
    run = small.client.run("raise ValueError('v' * (30 << 20))", timeout=120)
    assert run.status == "error" and run.content["ename"] == "ValueError" and run.states == ["busy", "idle"]
    assert sum(map(len, run.content["traceback"])) < 4 * MIB
    assert whole(small.client.run("1")).result == "1"


@pytest.mark.seconds(200)
def test_a_thousand_figures(start_as):
    kernel = start_as(policy={"limits": {"output": "256MiB", "cell_time": "180s"}})
    code = ("import matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(1, 1), dpi=30)\nax.plot([1, 2])\n"
            "plt.close(fig)\nfor n in range(1000): display(fig)")
    run = whole(kernel.client.run(code, timeout=180))
    assert len([one for one in run.of("display_data") if "image/png" in one.content["data"]]) == 1000
    print("peak of the kernel: %d MiB" % (kernel.peak_memory() // MIB))
    assert kernel.peak_memory() < PEAK


def test_a_flood_of_empty_messages_ends_too(small):
    run = small.client.run("from IPython.display import clear_output\nfor n in range(200_000): clear_output()", timeout=120)
    assert run.states == ["busy", "idle"]
    assert whole(small.client.run("1")).result == "1"
    assert small.peak_memory() < PEAK


def test_a_flood_between_cells_is_bounded(small):
    run = whole(small.client.run("import threading\ndef flood():\n    for n in range(300_000): print('t' * 100)\n"
                                 "thread = threading.Thread(target=flood); thread.start()"))
    whole(small.client.run("thread.join()", timeout=120))
    text = "".join(one.content["text"] for one in small.client.of(run.id) if one.type == "stream")
    assert len(text) < 2 * MIB and NOTICE in text


def test_a_client_that_does_not_read_holds_nothing_up(large):
    lazy = large.client.subscribe(b"")  # never read from
    run = whole(large.client.run("for n in range(20_000): print('w' * 1000)", timeout=120))
    assert len(run.stdout) == 20_000 * 1001
    lazy.close(0)
    assert large.peak_memory() < PEAK


def test_interrupting_a_flood(large):
    cell = large.client.execute("while True: print('f' * 1000)")
    large.client.first(cell, "stream")
    large.client.send("control", "interrupt_request")
    run = large.client.finish(cell, timeout=30)
    assert run.content["ename"] == "KeyboardInterrupt" and run.states == ["busy", "idle"]


def test_a_flood_of_shown_errors_is_cut(small):
    run = small.client.run("try: 1/0\nexcept Exception:\n    for n in range(5_000): get_ipython().showtraceback()\n"
                           "raise KeyError('the last')", timeout=120)
    shown = run.of("error")
    assert sum(len("".join(one.content["traceback"])) for one in shown) < 2 * MIB and len(shown) < 5_000
    assert shown[-1].content["ename"] == run.content["ename"] == "KeyError"
    assert run.stderr.count(NOTICE) == 2 and run.stderr.rstrip().splitlines()[-1].startswith("cellblock: this cell's output")
