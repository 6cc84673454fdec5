"""`cellblock exec`: a command in a sandbox, with streams, signals and exit status as `docker run --rm -i` has them."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
from support import kernels

pytestmark = pytest.mark.cellblock_only("a command of cellblock")


@pytest.fixture
def argv(program, user_place):
    def make(*words, options=(), policy=None):
        if policy:
            options = ["--policy", str(user_place.policy("exec", **policy)), *options]
        return user_place.as_user([str(program), "exec", *options, "--", *words])
    return make


@pytest.fixture
def run(argv, user_place):
    def call(*words, options=(), policy=None, input=b"", timeout=90):
        return subprocess.run(argv(*words, options=options, policy=policy), input=input, capture_output=True, timeout=timeout,
                              env=user_place.environment(), cwd=user_place.root, check=False)
    return call


@pytest.fixture
def start(argv, user_place):
    started = []

    def call(*words, options=(), **more):
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        started.append(subprocess.Popen(argv(*words, options=options), env=user_place.environment(), cwd=user_place.root, **streams))
        return started[-1]

    yield call
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def test_streams_and_status(run):
    done = run("sh", "-c", "cat; echo err >&2; exit 3", input=b"in \xff\x1b[2J")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in \xff\x1b[2J", b"err\n")


def test_large_streams(run):
    data = os.urandom(5 << 20)
    done = run("cat", input=data)
    assert done.returncode == 0 and done.stdout == data


@pytest.mark.parametrize("words, status, part", [
    (["no-such-program"], 127, "No such file"), (["/etc"], 126, "Permission denied"), (["sh", "-c", "kill -9 $$"], 137, ""),
    (["false"], 1, "")])
def test_statuses_of_a_shell(run, words, status, part):
    done = run(*words)
    assert done.returncode == status and part in done.stderr.decode()


def test_its_time(run):
    begun = time.monotonic()
    done = run("sleep", "100", options=["--timeout", "1s"])
    assert done.returncode == 124 and "stopped after 1 s" in done.stderr.decode() and time.monotonic() - begun < 60
    done = run("sleep", "100", policy={"limits": {"cell_time": "1s"}})
    assert done.returncode == 124 and "limits.cell_time" in done.stderr.decode()
    assert run("sleep", "2", options=["--timeout", "0"], policy={"limits": {"cell_time": "1s"}}).returncode == 0


def test_what_it_may_write_is_bounded(run):
    done = run("head", "-c", "5000000", "/dev/zero", policy={"limits": {"output": "1MiB"}})
    assert len(done.stdout) == 1 << 20 and "limits.output" in done.stderr.decode()


def test_it_is_in_the_sandbox(run):
    done = run("sh", "-c", "id -u; ls -A /root /home; cat /etc/shadow; python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 2)'")
    assert done.returncode != 0 and "ermission" in done.stderr.decode() or "No such" in done.stderr.decode()
    assert "unreachable" in done.stderr.decode() or "Network" in done.stderr.decode()


def test_files_directory_and_variables(run, user_place):
    (user_place.root / "data.csv").write_text("a\n1\n")
    (user_place.root / "data.csv").chmod(0o644)
    done = run("sh", "-c", "wc -l < /work/data.csv; pwd; echo $MINE-$NONE", options=["--file", "data.csv", "-w", "/tmp", "-e", "MINE=a b",
                                                                                      "-e", "NONE_SUCH"])
    assert done.stdout == b"2\n/tmp\na b-\n"


def test_the_policys_python(run):
    done = run("python", "-c", "import sys; print(sys.argv[1:])", "a b", "-c")
    assert done.stdout == b"['a b', '-c']\n"


@pytest.mark.parametrize("words, part", [(["--policy", "no-such", "--", "true"], "no-such"), (["--timeout", "x", "--", "true"], "--timeout x"),
                                         (["-t", "--", "true"], "no terminal"), ([], "command"), (["-e", "=x", "--", "true"], "--env"),
                                         (["--file", "/no/such", "--", "true"], "--file /no/such")])
def test_usage(program, user_place, words, part):
    done = subprocess.run(user_place.as_user([str(program), "exec", *words]), env=user_place.environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False, cwd=user_place.root)
    assert done.returncode == 2 and part in done.stderr.decode()


def wait_for(stream, text):
    got = b""
    while text not in got:
        assert select.select([stream], [], [], 60)[0], got
        piece = os.read(stream if isinstance(stream, int) else stream.fileno(), 4096)
        assert piece, got
        got += piece
    return got


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_passed_on(start, number):
    process = start("sh", "-c", "trap 'echo got; exit 7' INT TERM USR1; echo ready; while true; do sleep 0.1; done")
    wait_for(process.stdout, b"ready")
    process.send_signal(number)
    assert process.communicate(timeout=60)[0] == b"got\n" and process.returncode == 7


def test_three_interrupts_end_what_ignores_them(start):
    process = start("sh", "-c", "trap '' INT; echo ready; while true; do sleep 0.1; done")
    wait_for(process.stdout, b"ready")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert process.wait(60) == 137


def test_it_ends_where_nobody_reads(start):
    process = start("yes", options=["--timeout", "0"])
    wait_for(process.stdout, b"y\n")
    process.stdout.close()
    assert process.wait(60) == 141


def test_a_kill_leaves_nothing(start):
    from support import leftovers
    process = start("sleep", "1000", options=["--timeout", "0"])
    assert leftovers.wait_until(lambda: any("sleep 1000" in leftovers.command_line(pid) for pid in leftovers.descendants(process.pid)), 60)
    tree = leftovers.descendants(process.pid)
    process.kill()
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 10)


@pytest.fixture
def terminal():
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    yield leader, follower
    for one in (leader, follower):
        os.close(one)


def own_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal(start, terminal):
    leader, follower = terminal
    before = termios.tcgetattr(follower)
    process = start("sh", options=["-t"], stdin=follower, stdout=follower, stderr=follower, start_new_session=True, preexec_fn=own_terminal)
    os.write(leader, b"stty size; echo rea''dy\n")
    assert b"33 77" in wait_for(leader, b"ready")
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 88, 0, 0))
    time.sleep(0.3)
    os.write(leader, b"stty size; sleep 100\n")
    wait_for(leader, b"44 88")
    time.sleep(0.3)
    os.write(leader, b"\x03")
    os.write(leader, b"echo aft''er; exit 5\n")
    wait_for(leader, b"after")
    assert process.wait(60) == 5
    assert termios.tcgetattr(follower)[:4] == before[:4]


def test_control_sequences_dont_reach_a_terminal_that_is_not_given_to_it(start, terminal):
    leader, follower = terminal
    process = start("printf", "\\033]0;title\\007\\033[31mred\\033[0m\\303\\344end", stdout=follower)
    assert process.wait(60) == 0
    text = wait_for(leader, b"end")
    assert b"\x1b]0" not in text and b"title" not in text and b"\x1b[31mred" in text and "\ufffd\ufffdend".encode() in text
