"""The warden: starts, interrupts, kills, reaps, reports."""

import os
import signal
import subprocess
import sys
import time

import pytest
from host import PYTHON, WORKER_FOLDER, Host, encode


def test_it_says_hello(fresh):
    host = fresh()
    assert host.hello == {"type": "hello", "python": host.hello["python"], "pid_namespace": False}


def test_it_starts_fast():
    best = 9.0
    for _ in range(10):
        begin = time.monotonic()
        with Host():
            best = min(best, time.monotonic() - begin)
    assert best < 0.1


@pytest.mark.parametrize("code, exit_status, number", [
    ("import os; os._exit(5)", 5, None),
    ("import os; os.kill(os.getpid(), 9)", None, 9),
    ("import ctypes; ctypes.string_at(0)", None, 11),
    ("import os; os.abort()", None, 6),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(5)", None, 15),
])
def test_a_workers_death_is_told_and_the_next_one_runs(fresh, code, exit_status, number):
    host = fresh()
    host.begin(code)
    assert host.worker_exited() == {"type": "worker_exited", "exit_status": exit_status, "signal": number}
    assert host.start_worker()["type"] == "ready"
    assert host.execute("1").result == "1"


def test_what_was_printed_before_death_arrives(fresh):
    host = fresh()
    host.begin("import os, time\nprint('last words', flush=True)\ntime.sleep(0.1)\nos._exit(1)")
    assert host.until("stream")["text"] == "last words\n"


def test_kill_worker(fresh):
    host = fresh()
    host.begin("import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\n"
               "while True:\n    try:\n        while True: pass\n    except BaseException: pass")
    time.sleep(0.3)
    host.interrupt()
    time.sleep(0.2)
    host.command("kill_worker")
    assert host.worker_exited()["signal"] == signal.SIGKILL
    assert host.start_worker()["type"] == "ready"


def test_an_interrupt_before_the_worker_is_up_does_not_kill_it():
    with Host() as host:
        import threading
        stop = threading.Event()

        def storm():
            while not stop.is_set():
                host.interrupt()
                time.sleep(0.002)

        ours = threading.Thread(target=storm)
        frame = None
        try:
            import socket as sockets
            left, right = sockets.socketpair()
            command = encode({"type": "start_worker"})
            sockets.send_fds(host.warden.sock, [command], [right.fileno()])
            right.close()
            from host import Socket
            host.worker = Socket(left)
            ours.start()
            host.send({"type": "configure", "policy": host.policy, "preload": []})
            frame = host.read()
        finally:
            stop.set()
            ours.join()
        assert frame["type"] == "ready"
        time.sleep(0.1)
        assert host.execute("1").result == "1"


def test_interrupt_and_kill_without_a_worker_do_nothing():
    with Host() as host:
        host.interrupt()
        host.command("kill_worker")
        assert host.start_worker()["type"] == "ready"


def test_it_leaves_at_the_end_of_its_socket(fresh):
    host = fresh()
    pid = int(host.execute("import os; os.getpid()").result)
    host.warden.sock.close()
    assert host.process.wait(5) == 0
    time.sleep(0.2)
    assert not alive(pid)


def test_it_ignores_signals(fresh):
    host = fresh()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(host.process.pid, number)
    time.sleep(0.1)
    assert host.execute("1").result == "1"


def test_a_bad_frame_ends_it():
    with Host() as host:
        host.warden.sock.sendall(encode({"type": "nonsense"}))
        assert host.process.wait(5) == 1


def test_the_worker_leaves_when_its_socket_closes(fresh):
    host = fresh()
    host.worker.sock.close()
    assert host.worker_exited()["exit_status"] is not None


def test_the_worker_has_defaults(fresh):
    host = fresh()
    assert host.execute("import os; os.getsid(0) == os.getpid() == os.getpgrp()").result == "True"
    assert host.execute("import signal; signal.getsignal(signal.SIGTERM) is signal.SIG_DFL").result == "True"
    assert host.execute("import sys; sys.stdin.read()").result == "''"
    assert host.execute("open('/proc/self/oom_score_adj').read().strip()").result == "'1000'"
    assert host.execute("import os; os.path.exists('/proc/self/fd/3') and os.readlink('/proc/self/fd/3').startswith('socket')"
                        ).result == "False"


def test_a_python_without_ipython_says_what_to_install(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True)
    with Host(python=str(tmp_path / "v" / "bin" / "python")) as host:
        frame = host.start_worker()
        assert frame["type"] == "failed" and "no IPython" in frame["message"] and "pip install" in frame["message"]
        assert str(tmp_path) in frame["message"]
        assert host.worker_exited()["exit_status"] == 69


def test_a_preload_that_is_not_there_is_named():
    with Host(preload=["math", "not_there_at_all"]) as host:
        frame = host.start_worker()
        assert frame["type"] == "failed" and "not_there_at_all" in frame["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a pid namespace")
def test_as_pid_one_it_kills_what_a_worker_left():
    script = WORKER_FOLDER / "warden.py"
    import socket as sockets
    ours, theirs = sockets.socketpair()
    from host import Socket
    process = subprocess.Popen(
        ["bash", "-c", 'exec 3<&%d; exec "$@"' % theirs.fileno(), "warden", "unshare", "--pid", "--fork",
         "--mount-proc", PYTHON, "-I", "-S", str(script)], pass_fds=[theirs.fileno()])
    theirs.close()
    host = Host.__new__(Host)
    host.warden, host.process = Socket(ours), process
    host.policy, host.preload, host.imports, host.cells, host.queries, host.late = Host.POLICY, [], None, 0, 0, []
    host.hello = host.warden.read()[0]
    assert host.hello["pid_namespace"] is True
    assert host.start_worker()["type"] == "ready"
    host.execute("import subprocess\nfor _ in range(5): subprocess.Popen(['sleep', '77777'], start_new_session=True)")
    host.begin("import os; os._exit(1)")
    assert host.worker_exited()["exit_status"] == 1
    assert host.start_worker()["type"] == "ready"
    assert host.execute("import os; sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[0:1], "
                        "len([p for p in os.listdir('/proc') if p.isdigit()])").result == "([1], 2)"
    host.close()


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
