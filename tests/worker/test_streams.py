"""stdout and stderr: order, bounds, descriptors, threads, children."""

import time

import pytest


def test_streams_keep_their_order(host):
    result = host.execute("import sys\nfor i in range(3):\n    print(i)\n    print(i, file=sys.stderr)")
    assert [(frame["name"], frame["text"]) for frame in result.of("stream")] == [
        (name, "%d\n" % number) for number in range(3) for name in ("stdout", "stderr")]


def test_prints_are_coalesced(host):
    result = host.execute("for i in range(10_000): print(i)")
    assert result.stdout == "".join("%d\n" % number for number in range(10_000))
    assert len(result.of("stream")) < 100


def test_output_comes_while_the_cell_runs(host):
    cell = host.begin("import time\nprint('early')\ntime.sleep(1)")
    begin = time.monotonic()
    assert host.until("stream")["text"] == "early\n"
    assert time.monotonic() - begin < 0.6
    host.finish(cell)


def test_descriptors_one_and_two(host):
    result = host.execute("import os, subprocess, sys\nprint('a')\nos.system('echo b')\nprint('c')\n"
                          "subprocess.run(['echo', 'd'])\nos.write(1, b'e\\n')\nprint('f')\n"
                          "os.write(2, b'err\\n');")
    assert result.stdout == "a\nb\nc\nd\ne\nf\n" and result.stderr == "err\n"


def test_a_program_given_sys_stdout_writes_to_it(host):
    assert host.execute("import subprocess, sys\n"
                        "subprocess.run(['echo', 'x'], stdout=sys.stdout).returncode").stdout == "x\n"


def test_nothing_written_to_a_descriptor_is_lost_or_late(host):
    host.late.clear()
    for _ in range(50):
        assert host.execute("import os; os.system('echo now');").stdout == "now\n"
    assert host.late == []


def test_a_child_that_holds_the_pipe_holds_up_nothing(host):
    begin = time.monotonic()
    result = host.execute("import subprocess\np = subprocess.Popen(['sh', '-c', 'echo first; sleep 5'])\n"
                          "import time; time.sleep(0.2)")
    assert result.stdout == "first\n" and time.monotonic() - begin < 3
    host.execute("p.kill(); p.wait()")


def test_c_code_prints_with_its_cell(host):
    assert host.execute("import ctypes; ctypes.CDLL(None).puts(b'from C');").stdout == "from C\n"


def test_split_characters_survive(host):
    code = "import os, time\nfor part in '\\u20ac\\U0001f600'.encode():\n" \
           "    os.write(1, bytes([part])); time.sleep(0.02)"
    assert host.execute(code).stdout == "\u20ac\U0001f600"


def test_bytes_that_are_no_text_are_replaced(host):
    assert host.execute("import os; os.write(1, b'a\\xff\\xfeb');").stdout == "a\ufffd\ufffdb"


def test_the_buffer_takes_bytes(host):
    assert host.execute("import sys; sys.stdout.buffer.write('\\u00e9\\n'.encode()); print('x')").stdout == "\u00e9\nx\n"


def test_sys_dunder_stdout_is_seen(host):
    assert host.execute("import sys; sys.__stdout__.write('raw\\n');").stdout == "raw\n"


def test_the_streams_look_like_files(host):
    assert host.execute("import sys; s = sys.stdout\n(s.isatty(), s.encoding, s.fileno(), sys.stderr.fileno(), "
                        "s.writable(), s.closed, s.reconfigure(encoding='utf-8'))").result == \
        "(False, 'UTF-8', 1, 2, True, False, None)"
    assert host.execute("sys.stdout.write(b'x')").error["ename"] == "TypeError"


def test_carriage_returns_pass(host):
    assert host.execute("print('1%\\r2%', end='\\r')").stdout == "1%\r2%\r"


def test_warnings_and_logging_go_to_stderr(host):
    result = host.execute("import warnings, logging\nwarnings.warn('watch')\nlogging.error('logged')")
    assert "watch" in result.stderr and "logged" in result.stderr and result.stdout == ""


def test_tqdm_draws_on_stderr(host, has):
    has("tqdm")
    assert "100%" in host.execute("from tqdm import tqdm\nfor _ in tqdm(range(5)): pass").stderr


def test_a_threads_output_belongs_to_its_cell(host):
    cell = host.begin("import threading, time\ndef late():\n    for i in range(3):\n        time.sleep(0.1)\n"
                      "        print('thread', i)\nt = threading.Thread(target=late); t.start()")
    host.finish(cell)
    host.late.clear()
    result = host.execute("t.join(); print('joined')")
    assert result.stdout == "joined\n"
    assert "".join(frame["text"] for frame in host.late if frame["cell"] == cell) == \
        "thread 0\nthread 1\nthread 2\n"


def test_threads_of_threads_and_pools_too(host):
    cell = host.begin("import threading, time\ndef inner(): time.sleep(0.2); print('inner')\n"
                      "def outer(): threading.Thread(target=inner).start()\nthreading.Thread(target=outer).start()")
    host.finish(cell)
    host.late.clear()
    host.execute("time.sleep(0.5)")
    assert [(frame["cell"], frame["text"]) for frame in host.late] == [(cell, "inner\n")]
    pool = host.execute("from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as e: "
                        "list(e.map(lambda n: print('%d\\n' % n, end=''), range(3)))")
    assert sorted(pool.stdout.split()) == ["0", "1", "2"]


def test_many_threads_print_whole_pieces(host):
    result = host.execute("import threading\ndef f(n):\n    for i in range(200): print('%d-%d\\n' % (n, i), end='')\n"
                          "ts = [threading.Thread(target=f, args=(n,)) for n in range(8)]\n"
                          "for t in ts: t.start()\nfor t in ts: t.join()")
    assert sorted(result.stdout.split()) == sorted("%d-%d" % (n, i) for n in range(8) for i in range(200))


def test_a_forked_child_prints_through_the_pipe(host):
    result = host.execute("import os\nprint('before')\npid = os.fork()\nif pid == 0:\n    print('child')\n"
                          "    os._exit(0)\nos.waitpid(pid, 0)\nprint('parent')")
    assert result.stdout == "before\nchild\nparent\n"


def test_a_forked_child_that_falls_off_the_cell_ends(host):
    result = host.execute("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('both')")
    assert result.stdout == "both\nboth\n" and result.status == "ok"
    assert host.execute("1").result == "1"


def test_multiprocessing_pools(host):
    host.execute("def work(n):\n    print('w%d' % n)\n    return n * n")
    result = host.execute("import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as p: r = p.map(work, range(4))\nr")
    assert result.result == "[0, 1, 4, 9]" and sorted(result.stdout.split()) == ["w0", "w1", "w2", "w3"]
    result = host.execute("from concurrent.futures import ProcessPoolExecutor\n"
                          "with ProcessPoolExecutor(2, mp_context=mp.get_context('fork')) as e: r = list(e.map(work, [3]))\nr")
    assert result.result == "[9]"


@pytest.mark.parametrize("code", ["print('x' * 50_000_000)", "for _ in range(100): print('y' * 499_999)",
                                  "import os\nfor _ in range(50): os.write(1, b'z' * 1_000_000)",
                                  "import os; os.system('head -c 50000000 /dev/zero | tr \"\\\\0\" z')"])
def test_much_output_in_bounded_frames(fresh, code):
    host = fresh()
    before = memory(host)
    cell = host.begin(code)
    total = 0
    while True:
        frame = host.read()
        if frame["type"] == "done":
            break
        if frame["type"] == "stream":
            assert len(frame["text"].encode()) <= 1 << 20
            total += len(frame["text"])
    assert total in (50_000_000, 50_000_001) and frame["cell"] == cell
    assert memory(host) - before < 250 << 10


def memory(host):
    """Peak of the worker's resident memory in KiB."""
    return int(host.execute("import resource; resource.getrusage(resource.RUSAGE_SELF).ru_maxrss").result)


def test_past_the_policys_bound_the_worker_falls_silent(fresh):
    host = fresh(output_bytes=1_000_000)
    result = host.execute("for _ in range(10_000): print('x' * 999)")
    assert 1_000_000 < len(result.stdout) < 2_000_000
    assert host.execute("print('next')").stdout == "next\n"
    result = host.execute("from IPython.display import display, HTML\nfor _ in range(100): display(HTML('h' * 100_000))")
    assert 10 <= len(result.displays) <= 12


def test_a_cell_that_replaces_stdout(host):
    assert host.execute("import sys, io\nold = sys.stdout\nsys.stdout = io.StringIO()\nprint('gone')").stdout == ""
    assert host.execute("1 + 1").result == "2"
    assert host.execute("sys.stdout = None").status == "ok"
    assert host.execute("3").result == "3"
    assert host.execute("1/0").status == "error"
    host.execute("sys.stdout = old")
    assert host.execute("print('back')").stdout == "back\n"


def test_a_cell_that_closes_descriptors(fresh):
    host = fresh()
    host.execute("import os, sys\nos.close(1); os.close(2); sys.stdout.close()")
    assert host.execute("print('still'); os.system('echo here');").stdout == "still\nhere\n"
    host.execute("for fd in range(3, 20):\n    try: os.close(fd)\n    except OSError: pass")


def test_signal_handlers_and_finalizers_may_print(host):
    # The timer is set anew by its handler: on a slow machine one that repeats would leave no time between two.
    result = host.execute("import signal\n"
                          "def alarm(*_):\n"
                          "    print('A' * 50_000)\n"
                          "    if on: signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
                          "signal.signal(signal.SIGALRM, alarm)\n"
                          "class D:\n    def __del__(self): print('D' * 100)\n"
                          "on = True\nsignal.setitimer(signal.ITIMER_REAL, 0.001)\n"
                          "for i in range(20_000):\n    print('x' * 100); D()\non = False\nsignal.setitimer(signal.ITIMER_REAL, 0);")
    assert result.status == "ok" and result.stdout.count("A") > 0 and result.stdout.count("D") == 2_000_000 and result.stdout.count("x") == 2_000_000


def test_a_signal_handler_may_print_just_after_the_lock_was_taken(host):
    """get_ident() is what a flush calls before and after it takes the lock; a print there stands for the handler's."""
    result = host.execute("import sys, threading\n"
                          "real, inside = threading.get_ident, []\n"
                          "def get_ident():\n"
                          "    if not inside and sys._getframe(1).f_code.co_name in ('flush', 'drain'):\n"
                          "        inside.append(1)\n"
                          "        print('A' * 70_000)\n"
                          "        inside.pop()\n"
                          "    return real()\n"
                          "threading.get_ident = get_ident\n"
                          "try:\n    print('x' * 70_000)\nfinally:\n    threading.get_ident = real", timeout=20)
    assert result.status == "ok" and result.stdout.count("x") == 70_000 and result.stdout.count("A") >= 2 * 70_000
    assert host.execute("1").result == "1"
