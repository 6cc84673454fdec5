"""Commands of a sandbox by E2B's SDK."""

import re
import time

import pytest
from e2b import CommandExitException, NotFoundException, PtySize, SandboxException, TimeoutException
from support import leftovers


def runs(box, pid):
    return pid in [one.pid for one in box.commands.list()]


def ended(box, pid):
    return leftovers.wait_until(lambda: not runs(box, pid), 5)


def test_run(lasting_box):
    done = lasting_box.commands.run("echo out; echo err >&2")
    assert (done.stdout, done.stderr, done.exit_code, done.error) == ("out\n", "err\n", 0, None)


def test_exit_codes(lasting_box):
    with pytest.raises(CommandExitException) as raised:
        lasting_box.commands.run("echo out; echo err >&2; exit 3")
    assert (raised.value.exit_code, raised.value.stdout, raised.value.stderr) == (3, "out\n", "err\n")
    with pytest.raises(CommandExitException) as raised:
        lasting_box.commands.run("no-such-program-here")
    assert raised.value.exit_code == 127 and "no-such-program-here" in raised.value.stderr


def test_shell_folder_variables(box):
    """Unlike in E2B's sandboxes, the working directory's name is /work; /home/user leads to it."""
    assert box.commands.run("cd /home/user && pwd -P").stdout == box.commands.run("pwd -P").stdout
    assert box.commands.run("pwd", cwd="/tmp").stdout == "/tmp\n"
    assert box.commands.run("cat <<< $A | tr a-z A-Z && echo ${#B}", envs={"A": "a b", "B": "'\"$"}).stdout == "A B\n3\n"
    assert "python" in box.commands.run("python3 -c 'import sys; print(sys.executable)'").stdout.lower()
    with pytest.raises(SandboxException):
        box.commands.run("pwd", cwd="/not/there")


def test_output_arrives_while_the_command_runs(lasting_box):
    arrived, wrong = [], []
    done = lasting_box.commands.run("for n in 1 2 3; do echo $n; echo e$n >&2; sleep 0.5; done",
                                    on_stdout=lambda text: arrived.append((time.monotonic(), text)), on_stderr=wrong.append)
    assert time.monotonic() - arrived[0][0] > 1.0 and "".join(text for _, text in arrived) == done.stdout == "1\n2\n3\n"
    assert "".join(wrong) == done.stderr == "e1\ne2\ne3\n"


def test_a_long_output_and_characters_that_are_cut(lasting_box):
    done = lasting_box.commands.run("python3 -c \"print('ä' * 500_000)\"")
    assert done.stdout == "ä" * 500_000 + "\n"
    assert lasting_box.commands.run("printf '\\303'; sleep 0.3; printf '\\244'").stdout == "ä"


def test_background_and_wait(box):
    began = time.monotonic()
    handle = box.commands.run("sleep 1; echo done; exit 4", background=True)
    assert time.monotonic() - began < 1 and handle.pid > 0 and runs(box, handle.pid)
    with pytest.raises(CommandExitException) as raised:
        handle.wait()
    assert (raised.value.exit_code, raised.value.stdout) == (4, "done\n") and not runs(box, handle.pid)


def test_beside_a_cell(box):
    handle = box.commands.run("while [ ! -e go ]; do sleep 0.1; done; echo went", background=True)
    assert box.run_code("import time; time.sleep(0.5); open('go', 'w').close(); 'cell'").text == "cell"
    assert handle.wait().stdout == "went\n"


def test_kill(box):
    handle = box.commands.run("sleep 100", background=True)
    assert handle.kill() is True
    with pytest.raises(CommandExitException) as raised:
        handle.wait()
    assert raised.value.exit_code != 0 and ended(box, handle.pid)
    other = box.commands.run("sleep 100 & sleep 100", background=True)
    assert box.commands.kill(other.pid) is True and ended(box, other.pid)
    assert box.commands.kill(other.pid) is False and box.commands.kill(999_999) is False


def test_stdin(box):
    handle = box.commands.run("read line; echo \"got $line\"; cat", background=True, stdin=True)
    handle.send_stdin("one\n")
    box.commands.send_stdin(handle.pid, "two\n")
    box.commands.send_stdin(handle.pid, b"three")
    handle.close_stdin()
    assert handle.wait().stdout == "got one\ntwo\nthree"


def test_stdin_is_closed_by_default(box):
    assert box.commands.run("cat; echo over", timeout=10).stdout == "over\n"


def test_input_for_whom_nobody_is(box):
    with pytest.raises(NotFoundException):
        box.commands.send_stdin(999_999, "x")
    with pytest.raises(NotFoundException):
        box.commands.connect(999_999)


def test_streamed_input(box):
    handle = box.commands.run("head -c 12", background=True, stdin=True)
    box.commands.stream_input(handle.pid, (piece for piece in ("abcd", b"efgh", "ijkl")))
    assert handle.wait().stdout == "abcdefghijkl"


def test_streamed_input_arrives_piece_by_piece(box):
    handle = box.commands.run("while read line; do echo $line >> got; done", background=True, stdin=True)
    texts = []

    def pieces():
        for number in range(3):
            yield "%d\n" % number
            assert leftovers.wait_until(lambda: box.files.exists("got") and box.files.read("got").endswith("%d\n" % number), 10)
            texts.append(box.files.read("got"))

    box.commands.stream_input(handle.pid, pieces())
    handle.close_stdin()
    handle.wait()
    assert texts == ["0\n", "0\n1\n", "0\n1\n2\n"]


def test_list(box):
    assert box.commands.list() == []
    handle = box.commands.run("sleep 100", background=True, envs={"A": "1"}, cwd="/tmp")
    one, = box.commands.list()
    assert (one.pid, one.cmd, one.args, one.cwd) == (handle.pid, "/bin/bash", ["-l", "-c", "sleep 100"], "/tmp") and one.envs["A"] == "1"
    handle.kill()
    assert ended(box, handle.pid)


def test_connect(box):
    first = box.commands.run("for n in 1 2 3 4 5 6; do echo $n; sleep 0.4; done; exit 5", background=True)
    time.sleep(0.5)
    again, seen = box.commands.connect(first.pid), []
    assert again.pid == first.pid
    with pytest.raises(CommandExitException) as raised:
        again.wait(on_stdout=seen.append)
    assert raised.value.exit_code == 5 and "6\n" in "".join(seen)
    with pytest.raises(CommandExitException) as raised:
        first.wait()
    assert raised.value.stdout == "1\n2\n3\n4\n5\n6\n"


def test_a_client_that_leaves_lets_the_command_run(box):
    handle = box.commands.run("sleep 1.5; echo there > left.txt", background=True)
    handle.disconnect()
    time.sleep(0.3)
    assert runs(box, handle.pid)
    assert leftovers.wait_until(lambda: box.files.exists("left.txt"), 5)


def test_a_timeout_ends_the_command(box):
    began = time.monotonic()
    with pytest.raises(TimeoutException):
        box.commands.run("sleep 100", timeout=1)
    assert time.monotonic() - began < 5
    assert leftovers.wait_until(lambda: box.commands.list() == [], 5), "a command goes on after its timeout"
    assert box.commands.run("pgrep -x sleep || echo none").stdout == "none\n"


def test_without_a_timeout(box):
    assert box.commands.run("sleep 1; echo awake", timeout=0).stdout == "awake\n"


def test_many_at_once(box):
    handles = [box.commands.run("sleep 0.5; echo %d" % n, background=True) for n in range(8)]
    assert [one.wait().stdout for one in handles] == ["%d\n" % n for n in range(8)]


def test_a_command_reaches_no_further_than_a_cell(box, tmp_path):
    (tmp_path / "host.txt").write_text("of the host")
    for command in ("cat %s/host.txt" % tmp_path, "echo x > /etc/here", "python3 -c \"import socket; socket.create_connection(('192.0.2.1', 80), 1)\""):
        with pytest.raises(CommandExitException):
            box.commands.run(command)


# --- terminals

def read_until(handle, pattern, kept=b""):
    """What the terminal shows until then; the handle can be read again."""
    for _, _, pty in handle:
        kept += pty or b""
        if re.search(pattern, kept):
            return kept
    return kept


def test_a_terminal(box):
    handle = box.pty.create(PtySize(rows=24, cols=91), envs={"MARK": "marked"}, cwd="/tmp")
    box.pty.send_stdin(handle.pid, b"stty size; tty; pwd; echo $MARK-$TERM; exit 6\n")
    seen = []
    with pytest.raises(CommandExitException) as raised:
        handle.wait(on_pty=seen.append)
    shown = b"".join(bytes(one) for one in seen)
    assert raised.value.exit_code == 6 and b"24 91" in shown and b"/tmp" in shown and b"marked-xterm-256color" in shown
    assert b"not a tty" not in shown


def test_a_terminals_size_and_keys(box):
    handle = box.pty.create(PtySize(rows=24, cols=80))
    box.pty.resize(handle.pid, PtySize(rows=33, cols=101))
    box.pty.send_stdin(handle.pid, b"stty size; echo re''ady; cat\n")
    assert b"33 101" in read_until(handle, b"ready\r?\n")
    assert runs(box, handle.pid)
    assert box.pty.kill(handle.pid) is True and ended(box, handle.pid) and box.pty.kill(handle.pid) is False


def test_a_key_interrupts(box):
    handle = box.pty.create(PtySize(rows=24, cols=80))
    box.pty.send_stdin(handle.pid, b"trap 'echo caught' INT; sleep 100\n")
    time.sleep(1)
    box.pty.send_stdin(handle.pid, b"\x03")
    box.pty.send_stdin(handle.pid, b"echo al''ive; exit\n")
    seen = []
    try:
        handle.wait(on_pty=seen.append)
    except CommandExitException:
        pass
    assert b"alive" in b"".join(bytes(one) for one in seen)


def test_home_is_where_files_are(box):
    box.commands.run("echo x > ~/from-a-command")
    assert box.files.read("from-a-command") == "x\n"
    assert box.run_code("import os; open(os.path.expanduser('~/from-code'), 'w').write('y'); os.environ['HOME']").text == "/home/user"
    assert box.files.read("/home/user/from-code") == "y"
