"""`cellblock logs`: what kernels, daemons and servers of one user have logged, and where the rest is."""

import os
import signal
import socket
import subprocess

import pytest
from support import kernels, leftovers
from support.daemons import Daemon
from support.serving import Serving

HOSTILE = "2026-01-01T00:00:00.000Z h kernel[1]: \x1b]0;owned\x07 \x9b31m \u202eevil\r\n"


def logs(place, *words, status=0):
    done = subprocess.run([kernels.PROGRAM, "logs", *map(str, words)], env=place.environment(), capture_output=True, timeout=30)
    assert done.returncode == status, done.stderr
    return done.stdout.decode() + done.stderr.decode()


def log_file(place, name="kernel"):
    return place.root / "home" / ".local" / "state" / "cellblock" / (name + ".log")


def written(place, text, name="kernel"):
    """A log with that text."""
    path = log_file(place, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_where_nothing_was_logged_it_says_so_and_leaves_nothing(place):
    assert "Nothing was logged: there is no " + str(log_file(place)) in logs(place)
    assert "no daemon runs" in logs(place, "daemon")
    assert not log_file(place).parent.exists() and not list((place.root / "run").iterdir())


@pytest.mark.parametrize("words", [["nonsense"], ["--tail", "-1"], ["--tail", "x"], ["kernel", "daemon"]])
def test_what_it_does_not_know_is_an_error_of_usage(place, words):
    logs(place, *words, status=2)


def test_a_kernels_life_is_told(place, start):
    kernel = start()
    begun = logs(place, "kernel")
    assert "==> %s <==" % log_file(place) in begun
    assert 'kernel[%d]: began: policy "default", connection file %s' % (kernel.pid, kernel.file) in begun
    assert "standard error: %s" % kernel.errors in begun and "ended" not in begun and "has never said" not in begun
    assert kernel.stop() == {}
    assert "kernel[%d]: ended: a client asked it to" % kernel.pid in logs(place)
    assert log_file(place).stat().st_mode & 0o777 == 0o600
    assert "Nothing was logged" not in logs(place, "kernel") and "kernel[" not in logs(place, "daemon") + logs(place, "serve")


@pytest.mark.parametrize("number, why", [(signal.SIGTERM, "SIGTERM")])
def test_a_signal_that_ends_a_kernel_is_told(place, start, number, why):
    kernel = start()
    kernel.process.send_signal(number)
    kernel.process.wait(20)
    assert "kernel[%d]: ended: %s" % (kernel.pid, why) in logs(place)


def test_a_kernel_that_was_killed_is_told_with_the_way_to_the_reason(place, start):
    lives, dies = start(), start()
    dies.kill()
    told = logs(place, "kernel")
    assert "Process %d has never said why it left" % dies.pid in told and "--grep='Killed process %d'" % dies.pid in told
    assert "Process %d has" % lives.pid not in told and str(dies.file) in told.rpartition("Process")[2]


def test_of_another_machine_with_the_same_home_no_death_is_told(place):
    line = "2026-01-01T00:00:00.000Z %s kernel[4000000]: began: policy \"x\"\n"
    written(place, line % "elsewhere")
    assert "has never said" not in logs(place)
    written(place, line % socket.gethostname())
    assert "Process 4000000 has never said" in logs(place)
    written(place, line % socket.gethostname() + line.replace("began", "ended") % socket.gethostname())
    assert "has never said" not in logs(place)


def test_what_a_kernel_writes_to_standard_error_is_kept_and_written_there_as_ever(place):
    kernel = kernels.Kernel(place, policy=str(place.file("broken.json", '{"limits": {"memroy": 1}}')))
    try:
        assert "limits.memroy" in kernel.said() and "limits.memroy" in logs(place, "kernel")
    finally:
        kernel.stop()


def test_a_server_that_systemd_started_has_its_command_of_the_journal(place, start):
    """JOURNAL_STREAM names the file that standard error is, as with the journal's socket."""
    def journal(path):
        path.touch()
        return "%d:%d" % (path.stat().st_dev, path.stat().st_ino)

    errors = place.root / "journal"
    command = ["sh", "-c", "exec \"$@\" 2>>%s" % errors, "sh", kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--python", kernels.PYTHON]
    kernel = kernels.Kernel(place, command=command, environment={"JOURNAL_STREAM": journal(errors)})
    try:
        told = logs(place)
        assert "standard error: systemd's journal: journalctl " in told and "--grep=cellblock" in told
    finally:
        assert kernel.stop() == {}


def test_a_server_logs_too(place):
    server = Serving(kernels.PROGRAM, place)
    server.stop()
    told = logs(place, "serve")
    assert 'began: policy "default"' in told and "ended: a signal asked it to" in told


def test_a_daemons_log_is_found_and_of_one_that_has_none_where_it_writes(place):
    log = place.root / "run" / "cellblock" / "daemon-0123456789abcdef.log"
    log.parent.mkdir(mode=0o700)
    log.write_text("cellblock daemon 7: a zygote ended\nno end of line")
    told = logs(place, "daemon")
    assert "==> %s <==\ncellblock daemon 7: a zygote ended\nno end of line\n" % log in told
    daemon = Daemon(place)
    try:
        assert "The daemon %d logs to pipe:[" % daemon.process.pid in logs(place)
    finally:
        daemon.stop()


def test_nothing_in_a_log_reaches_the_terminal_as_a_command(place):
    written(place, HOSTILE + "plain añb\t1\n" + "\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + "\n")
    path = log_file(place)
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    told = logs(place)
    assert "\\x1b]0;owned\\x07 \\u009b31m \\u202eevil\\x0d\n" in told and "plain añb\t1\n" in told and "\\xff\\xfe\n" in told
    assert not any(one in told for one in "\x1b\x07\x9b\u202e\r")


def test_the_last_lines_of_each_file(place):
    written(place, "".join("line %d\n" % at for at in range(100)))
    written(place, "a server's\n", "serve")
    told = logs(place, "--tail", 2)
    assert told.count("line ") == 2 and "line 98\nline 99\n" in told and "a server's" in told
    assert "line" not in logs(place, "-n", 0)


def test_of_a_large_log_the_end_is_read_and_of_a_long_line_the_start(place):
    written(place, "first\n" + ("x" * 99 + "\n") * 60_000 + "y" * 100_000 + "\nlast\n")
    told = logs(place)
    assert len(told) < 3 << 20 and "first" not in told and told.endswith("last\n") and "\n" + "y" * 8192 + "\n" in told


def test_a_log_that_has_become_large_makes_way_and_both_are_shown(place, start):
    path = written(place, "long ago\n" * 150_000)
    start().stop()
    assert path.stat().st_size < 10_000 and path.with_name("kernel.log.1").stat().st_size > 1 << 20
    told = logs(place, "--tail", 1)
    assert "long ago" in told and "ended:" in told


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_of_ours_is_neither_written_nor_read(place, start, kind):
    path = log_file(place)
    path.parent.mkdir(parents=True)
    victim = place.file("victim", "mine\n")
    {"link": lambda: path.symlink_to(victim), "pipe": lambda: os.mkfifo(path, 0o600), "folder": path.mkdir}[kind]()
    kernel = start()
    assert kernel.client.run("6 * 7").result == "42" and kernel.stop() == {}
    assert victim.read_text() == "mine\n"
    told = logs(place, "kernel", status=1)
    assert str(path) in told and "mine" not in told


def test_without_a_home_a_kernel_works_and_nothing_is_kept(place, start):
    kernel = start(environment={"HOME": "/nonexistent", "XDG_STATE_HOME": None})
    assert kernel.client.run("6 * 7").result == "42"


def test_it_follows(place, start):
    path = written(place, "before\n")
    process = subprocess.Popen([kernels.PROGRAM, "logs", "-f", "kernel"], env=place.environment(), stdout=subprocess.PIPE)
    os.set_blocking(process.stdout.fileno(), False)
    seen = []

    def has(text):
        seen.append(process.stdout.read() or b"")
        return text in b"".join(seen)

    try:
        assert leftovers.wait_until(lambda: has(b"before\n"), 10)
        with path.open("a") as file:
            file.write("after\x1b\n")
        assert leftovers.wait_until(lambda: has(b"after\\x1b\n"), 10)
        path.rename(path.with_name("kernel.log.1"))  # as a kernel does
        written(place, "anew\n")
        assert leftovers.wait_until(lambda: has(b"anew\n"), 10) and b"".join(seen).count(b"before") == 1
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
