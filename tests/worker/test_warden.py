"""Both wardens keep one contract (sandbox/channel/FRAMES.md): they start, interrupt, kill, reap and report alike.

That of jails is PID 1 of a namespace. The Python one may be that, or an ordinary process among others.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest
from host import WARDEN, Host, Socket, children, encode, namespaces_work


@pytest.fixture(params=["c", "python", "python, no namespace"])
def host_options(request):
    """What a Host is made with."""
    kind, _, rest = request.param.partition(",")
    if not rest and not namespaces_work():
        pytest.skip("this machine lets no PID namespace be made")
    if kind == "c" and not WARDEN.exists():
        pytest.skip("there is no %s" % WARDEN)
    return {"warden": kind, "namespace": not rest}


@pytest.fixture
def fresh(tmp_path, host_options):
    """fresh() starts one with a worker that is ready, whose working directory is empty."""
    made = []

    def make(**options):
        made.append(Host(cwd=str(tmp_path), **host_options, **options))
        frame = made[-1].start_worker()
        assert frame["type"] == "ready", frame
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_it_says_hello(fresh):
    host = fresh()
    assert host.hello == {"type": "hello"}
    assert host.execute("import sys; '%d.%d.%d' % sys.version_info[:3]").result == repr(host.python)


def test_it_starts_fast(host_options):
    best = 9.0
    for _ in range(10):
        begin = time.monotonic()
        with Host(**host_options):
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


def test_an_interrupt_before_the_worker_is_up_does_not_kill_it(host_options):
    with Host(**host_options) as host:
        import threading
        stop = threading.Event()

        def storm():
            while not stop.is_set():
                host.interrupt()
                time.sleep(0.002)

        ours = threading.Thread(target=storm)
        frame = None
        try:
            left, right = socket.socketpair()
            command = encode({"type": "start_worker"})
            socket.send_fds(host.warden.sock, [command], [right.fileno()])
            right.close()
            host.worker = Socket(left)
            ours.start()
            host.send({"type": "configure", "policy": host.policy, "preload": []})
            frame = host.first_frame()
        finally:
            stop.set()
            ours.join()
        assert frame["type"] == "ready"
        time.sleep(0.1)
        assert host.execute("1").result == "1"


def test_interrupt_and_kill_without_a_worker_do_nothing(host_options):
    with Host(**host_options) as host:
        host.interrupt()
        host.command("kill_worker")
        assert host.start_worker()["type"] == "ready"


def test_it_leaves_at_the_end_of_its_socket(fresh):
    host = fresh()
    pid, = children(host.warden_pid())
    host.warden.sock.close()
    assert host.process.wait(5) == 0
    time.sleep(0.2)
    assert not alive(pid)


def test_it_ignores_signals(fresh):
    host = fresh()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM):
        os.kill(host.warden_pid(), number)
    time.sleep(0.1)
    assert host.execute("1").result == "1"


def frame_of(text, buffers=0):
    return struct.pack(">II", len(text), buffers) + text


@pytest.mark.parametrize("frame, descriptors, reason", [
    (encode({"type": "nonsense"}), 0, "an unknown command"),
    (frame_of(b'{"type": "interrupt"}'), 0, "an unknown command"),
    (frame_of(b""), 0, "a frame out of bounds"),
    (frame_of(b" " * 257), 0, "a frame out of bounds"),
    (frame_of(b'{"type":"interrupt"}', 1), 0, "a frame out of bounds"),
    (encode({"type": "start_worker"}), 0, "start_worker without a socket"),
    (encode({"type": "start_worker"}), 3, "more descriptors than a worker has"),
    (encode({"type": "start_files"}), 0, "no socket for an agent"),
    (encode({"type": "start_commands"}), 0, "no socket for an agent"),
])
def test_what_it_can_not_obey_ends_it(host_options, frame, descriptors, reason):
    with Host(**host_options) as host, open(os.devnull) as null:
        socket.send_fds(host.warden.sock, [frame], [null.fileno()] * descriptors)
        assert host.process.wait(5) == 1
        if host.process.stderr:
            assert host.process.stderr.read() == b"warden: the host sent %s\n" % reason.encode()


def test_a_second_worker_beside_the_first_ends_it(fresh):
    host = fresh()
    with open(os.devnull) as null:
        socket.send_fds(host.warden.sock, [encode({"type": "start_worker"})], [null.fileno()])
    assert host.process.wait(5) == 1
    if host.process.stderr:
        assert host.process.stderr.read() == b"warden: the host sent start_worker while one lives\n"


def test_commands_in_pieces_and_together(fresh):
    host = fresh()
    host.begin("import time\nwhile True: time.sleep(0.01)")
    time.sleep(0.3)
    first, second = encode({"type": "interrupt"}), encode({"type": "kill_worker"})
    for place in range(len(first) - 1):
        host.warden.sock.sendall(first[place:place + 1])
    time.sleep(0.1)
    host.warden.sock.sendall(first[-1:] + second)
    assert host.worker_exited()["type"] == "worker_exited"
    assert host.start_worker()["type"] == "ready"


def test_the_worker_leaves_when_its_socket_closes(fresh):
    host = fresh()
    host.worker.sock.close()
    assert host.worker_exited()["exit_status"] is not None


def test_the_worker_has_defaults(fresh):
    host = fresh()
    assert host.execute("import os; os.access('/proc/self/mem', os.R_OK), os.getsid(0) == os.getpid() == os.getpgrp()").result == "(True, True)"
    assert host.execute("import signal; signal.getsignal(signal.SIGTERM) is signal.SIG_DFL").result == "True"
    assert host.execute("import sys; sys.stdin.read()").result == "''"
    assert host.execute("open('/proc/self/oom_score_adj').read().strip()").result == "'1000'"
    assert host.execute("import os; os.path.exists('/proc/self/fd/3') and os.readlink('/proc/self/fd/3').startswith('socket')"
                        ).result == "False"


def test_a_python_without_ipython_says_what_to_install(tmp_path, host_options):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True)
    with Host(python=str(tmp_path / "v" / "bin" / "python"), **host_options) as host:
        frame = host.start_worker()
        assert frame["type"] == "failed" and "no IPython" in frame["message"] and "pip install" in frame["message"]
        assert str(tmp_path) in frame["message"]
        assert host.worker_exited()["exit_status"] == 69


def test_a_preload_that_is_not_there_is_named(host_options):
    with Host(preload=["math", "not_there_at_all"], **host_options) as host:
        frame = host.start_worker()
        assert frame["type"] == "failed" and "not_there_at_all" in frame["message"]


def test_what_a_worker_left_is_killed_and_collected(fresh):
    host = fresh()
    host.execute("import subprocess\nfor _ in range(5): subprocess.Popen(['sleep', '77777'], start_new_session=True)")
    host.execute("subprocess.run(['bash', '-c', 'setsid sleep 77777 & disown'])")  # an orphan
    worker, = [pid for pid in children(host.warden_pid()) if len(children(pid)) == 5]
    left = [worker, *children(worker), *children(host.warden_pid())]
    host.begin("import os; os._exit(1)")
    assert host.worker_exited()["exit_status"] == 1
    assert len(left) == 8 and not [pid for pid in left if os.path.exists("/proc/%d" % pid)]
    assert host.start_worker()["type"] == "ready"
    if host.namespace:
        assert host.execute("import os; sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[0:1], "
                            "len([p for p in os.listdir('/proc') if p.isdigit()])").result == "([1], 2)"


def test_a_python_that_can_not_be_executed_is_named():
    if not namespaces_work() or not WARDEN.exists():
        pytest.skip("this machine lets no PID namespace be made, or there is no %s" % WARDEN)
    host = Host(python="/nonexistent/python", warden="c", namespace=True)
    left, right = socket.socketpair()
    socket.send_fds(host.warden.sock, [encode({"type": "start_worker"})], [right.fileno()])
    right.close()
    assert host.worker_exited() == {"type": "worker_exited", "exit_status": 126, "signal": None}
    assert left.recv(1) == b""
    host.close()
    assert host.process.stderr.read() == b"warden: /nonexistent/python can't be started: No such file or directory\n"


@pytest.mark.parametrize("options, reason", [([], "it must be the first process of a PID namespace"),
                                             (["--no-namespaces"], "this jail should keep signals in, and doesn't")])
def test_the_warden_of_jails_kills_nobody_else(options, reason):
    if not WARDEN.exists():
        pytest.skip("there is no %s" % WARDEN)
    done = subprocess.run([str(WARDEN), *options, "--", "/bin/true"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "warden: %s\n" % reason)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
