"""The command agent, which both wardens start: its commands run beside the worker, with its rights, and end with it."""

import errno
import os
import signal
import time

import pytest
from host import WARDEN, Host, children, namespaces_work


@pytest.fixture(params=["c", "python", "python, no namespace"])
def host(request, tmp_path, tmp_path_factory):
    kind, _, rest = request.param.partition(",")
    if not rest and not namespaces_work():
        pytest.skip("this machine lets no PID namespace be made")
    if kind == "c" and not WARDEN.exists():
        pytest.skip("there is no %s" % WARDEN)
    with Host(warden=kind, namespace=not rest, cwd=str(tmp_path), temporary=tmp_path_factory.mktemp("tmp")) as made:
        assert made.start_worker()["type"] == "ready"
        made.start_commands()
        yield made


def test_streams_and_status(host):
    done = host.command_line("echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.end) == (b"out\n", b"err\n", {"status": 3, "signal": None, "errno": 0, "cut": False})


def test_bytes_stay_as_they_are(host):
    done = host.command_line("head -c 300000 /dev/zero; printf '\\377\\033[2J'")
    assert done.stdout == bytes(300000) + b"\xff\x1b[2J"


@pytest.mark.parametrize("argv, number", [(["no-such-program"], errno.ENOENT), (["/etc"], errno.EACCES), (["/etc/passwd"], errno.EACCES)])
def test_what_cant_be_started_is_told_by_its_number(host, argv, number):
    assert host.run_command(argv).end == {"status": None, "signal": None, "errno": number, "cut": False}


def test_python_is_the_one_that_runs_cells(host):
    done = host.run_command(["python", "-c", "import sys; print(sys.executable)"])
    assert done.stdout.decode().strip() == host.execute("import sys; print(sys.executable)").stdout.strip()


def test_directory_and_environment(host, tmp_path):
    done = host.run_command(["sh", "-c", "pwd; echo $MINE"], directory=str(tmp_path.parent), environment={"MINE": "a b"})
    assert done.stdout.decode() == "%s\na b\n" % tmp_path.parent
    assert host.run_command(["true"], directory="/no/such").end["errno"] == errno.ENOENT


def test_input_is_taken_piece_by_piece(host):
    number = host.begin_command(["wc", "-c"], input=True)
    for _ in range(20):
        host.input(number, b"x" * 65536)
        assert host.command_frame()[0] == {"type": "input_taken", "command": number}
    host.input(number, b"end", end=True)
    done = host.command_end(number)
    assert done.stdout.strip() == b"%d" % (20 * 65536 + 3)


def test_input_for_one_that_doesnt_read_goes_with_it(host):
    number = host.begin_command(["sleep", "0.5"], input=True)
    host.input(number, b"x" * (1 << 20))
    assert host.command_end(number).end["status"] == 0
    assert host.command_line("cat", input=False).stdout == b""


def test_one_that_closes_its_input_takes_all(host):
    number = host.begin_command(["sh", "-c", "exec 0<&-; sleep 0.5; echo done"], input=True)
    host.input(number, b"x" * (1 << 20))
    assert host.command_frame()[0]["type"] == "input_taken"
    assert host.command_end(number).stdout == b"done\n"


def test_signals_reach_the_group_and_find_their_defaults(host):
    number = host.begin_command(["sh", "-c", "sleep 60 & wait"])
    time.sleep(0.3)
    host.signal_command(number, signal.SIGINT)
    assert host.command_end(number).end["signal"] in (signal.SIGINT, None)
    number = host.begin_command(["sleep", "60"])
    host.signal_command(number, signal.SIGINT)
    assert host.command_end(number).end["signal"] == signal.SIGINT


def test_what_it_leaves_in_the_background_isnt_waited_for(host):
    begun = time.monotonic()
    done = host.command_line("echo one; sleep 60 & exit 0")
    assert done.stdout == b"one\n" and time.monotonic() - begun < 30


def test_output_beyond_its_bound_is_dropped(host):
    done = host.command_line("head -c 100000 /dev/zero", output_bytes=1000)
    assert len(done.stdout) == 1000 and done.end["cut"]


def test_several_run_at_once(host):
    numbers = [host.begin_command(["sh", "-c", "sleep 0.5; echo %d" % n]) for n in range(8)]
    ends = host.command_ends(numbers)
    assert [ends[number].stdout for number in numbers] == [b"%d\n" % n for n in range(8)]


def test_a_terminal(host):
    number = host.begin_command(["sh"], terminal=[30, 90])
    host.input(number, b"stty size; tty; test -t 0 && test -t 1 && test -t 2 && echo three\n")
    host.resize_command(number, 31, 91)
    host.input(number, b"exit 4\n", wait=True)
    done = host.command_end(number)
    assert b"/dev/pts/" in done.stdout and b"three" in done.stdout and done.end["status"] == 4
    assert b"30 90" in done.stdout or b"31 91" in done.stdout
    number = host.begin_command(["cat"], terminal=[30, 90])
    host.input(number, b"\x03")
    assert host.command_end(number).end["signal"] == signal.SIGINT
    number = host.begin_command(["cat"], terminal=[30, 90])
    host.input(number, b"", end=True)
    assert host.command_end(number).end["status"] == 0


def test_it_runs_beside_a_cell_and_isnt_interrupted_with_it(host):
    host.begin("import time\ntime.sleep(60)")
    number = host.begin_command(["sleep", "0.7"])
    time.sleep(0.2)
    host.interrupt()
    assert host.until("done")["status"] == "error"
    assert host.command_end(number).end["status"] == 0


def test_it_dies_with_the_worker(host):
    number = host.begin_command(["sleep", "1000"])
    host.begin("import os; os._exit(3)")
    assert host.worker_exited()["exit_status"] == 3
    assert host.commands.read() is None
    assert host.start_worker()["type"] == "ready"
    host.start_commands()
    assert host.command_line("echo again").stdout == b"again\n" and number


def test_its_socket_is_its_life_and_its_commands(host):
    host.run_command(["sh", "-c", "true"])
    host.begin_command(["sleep", "1000"])
    agent = max(children(host.warden_pid()))
    end = time.monotonic() + 10
    while not children(agent) and time.monotonic() < end:
        time.sleep(0.02)
    sleeping, = children(agent)
    host.commands.sock.close()
    while (os.path.exists("/proc/%d/exe" % sleeping) and time.monotonic() < end):
        time.sleep(0.02)
    assert not os.path.exists("/proc/%d/exe" % sleeping)
    assert host.execute("1").result == "1"
