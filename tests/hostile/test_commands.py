"""What a command, or a cell beside it, can do to the client's commands: make them fail, and nothing else."""

import time

import pytest
from jails import USERS
from support.commands import Commands
from watched import HELP, watched_kernel

OUTPUT, PROCESSES = 1 << 20, 64

# Lines for a shell, and the exit codes that they may end with; None: any.
LINES = {
    "everybody is killed": ("kill -9 -1; sleep 60", (125, 137)),
    "its group is killed": ("kill -9 0", (137,)),
    "its agent is killed": ("kill -9 $PPID; sleep 60", (125,)),
    "its agent is stopped": ("kill -STOP $PPID; sleep 60", (124,)),
    "a bomb of processes": ("bomb() { bomb | bomb & }; bomb; sleep 1", None),
    "a bomb that stays": ("for n in $(seq 200); do sleep 1000 & done; sleep 1", None),
    "a flood": ("yes | head -c 50000000", (0,)),
    "a flood without end": ("yes", (124,)),
    "a flood of both": ("yes & yes >&2", (124,)),
    "memory": ("python -c 'x = bytearray(1 << 40)'", (1,)),
    "much memory": ("python -c 'x = [bytearray(1 << 24) for _ in range(1000)]'", None),
    "the host's secret": ("cat %(secret)s", (1,)),
    "the kernel's memory": ("cat /proc/1/mem /proc/1/environ /proc/kcore", (1,)),
    "another session": ("setsid sleep 1000 & setsid -f sleep 1000; exit 7", (7,)),
    "all terminals": ("python -c 'import os\nheld = []\nwhile True: held.append(os.open(\"/dev/ptmx\", os.O_RDWR))'", (1,)),
    "its agent's socket": ("for fd in /proc/$PPID/fd/*; do echo x > $fd; done; true", (0,)),
    "its agent's memory": ("python -c 'import os; open(\"/proc/%%d/mem\" %% os.getppid(), \"r+b\", 0).write(b\"x\")'", (1,)),
    "its agent, watched": ("python -c 'import ctypes, os; raise SystemExit(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0)'", (0,)),
    "no time": ("trap \"\" INT TERM HUP; while true; do sleep 1; done", (124,)),
}


@pytest.fixture(scope="module", params=USERS)
def sandbox(request):
    with watched_kernel(request.param, processes=PROCESSES, output="%dKiB" % (OUTPUT >> 10), memory="512MiB", cell_time="20s") as made:
        made[0].client.run("1").ok()
        yield made


def works_again(kernel):
    kernel.client.run("import os; os._exit(0)")  # whatever a command has left goes with its Python
    commands = Commands(kernel.client)
    end = time.monotonic() + 30
    while commands.run("echo", "works").stdout != b"works\n":
        assert time.monotonic() < end
        time.sleep(0.2)
    assert kernel.client.run("6 * 7").result == "42"
    commands.close()


@pytest.mark.parametrize("name", LINES)
def test_a_command_ends_and_nothing_outside_changes(sandbox, name):
    kernel, witness = sandbox
    line, codes = LINES[name]
    commands = Commands(kernel.client)
    done = commands.run(line=line % {"secret": witness.secret}, timeout=4, timeout_of_test=60)
    assert codes is None or done.exit_code in codes, done
    assert len(done.stdout) + len(done.stderr) <= OUTPUT and witness.secret.read_bytes() not in done.stdout
    assert not witness.changes()
    assert kernel.peak_memory() < 200 << 20
    commands.close()
    works_again(kernel)


CELLS = {  # what a cell does, and how a command of 30 s ends that runs meanwhile
    "the agent is killed": ("for pid in agents(): os.kill(pid, 9)", (125,)),
    "the agent is stopped": ("for pid in agents(): os.kill(pid, signal.SIGSTOP)", (124,)),
    "the command is stopped": ("for pid in os.listdir('/proc'):\n    if pid.isdigit() and b'sleep' in open('/proc/%s/cmdline' % pid, 'rb').read():"
                               " os.kill(int(pid), signal.SIGSTOP)", (124,)),
    "the worker leaves": ("os._exit(3)", (125,)),
    "no process is left": ("import threading\nstop = threading.Event()\ntry:\n    while True: threading.Thread(target=stop.wait).start()\n"
                           "except RuntimeError: pass", (124,)),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_can_end_a_command_and_no_more(sandbox, name):
    kernel, witness = sandbox
    code, codes = CELLS[name]
    commands = Commands(kernel.client)
    commands.run("true")
    begun = commands.begin("sleep", "30", timeout=3)
    time.sleep(0.3)
    kernel.client.run(HELP + code)
    began = time.monotonic()
    done = commands.end(begun)
    assert done.exit_code in codes and time.monotonic() - began < 20, done
    kernel.client.run("globals().get('stop') and stop.set()")
    assert not witness.changes()
    commands.close()
    works_again(kernel)


def test_no_cell_tells_a_commands_start_or_end_in_its_agents_place(sandbox):
    """By the pipe through which Python's subprocess hears whether the program was found, or by any other descriptor."""
    kernel, _ = sandbox
    commands = Commands(kernel.client)
    commands.run("true")
    kernel.client.run(HELP + """
import threading
told, stop = set(), threading.Event()
def write():
    while not stop.is_set():
        for pid in agents():
            try:
                for name in os.listdir('/proc/%d/fd' % pid):
                    with open('/proc/%d/fd/%s' % (pid, name), 'wb', 0) as file: file.write(b'OSError:2:forged'); told.add('written')
            except OSError as error: told.add(type(error).__name__)
threads = [threading.Thread(target=write) for _ in range(4)]
for one in threads: one.start()
""").ok()
    assert {commands.run("sh", "-c", "echo $((6 * 7))").stdout for _ in range(40)} == {b"42\n"}
    assert kernel.client.run("stop.set(); [one.join() for one in threads]; told").result == "{'PermissionError'}"
    commands.close()
    works_again(kernel)


def test_input_that_nobody_reads_is_bounded(sandbox):
    kernel, _ = sandbox
    commands = Commands(kernel.client)
    request, number = commands.begin("sleep", "5", input=True, timeout=20)
    told = [commands.ask({"id": number, "do": "input"}, [bytes(8 << 20)]) for _ in range(6)]
    assert told[-1] and "16 MiB" in told[-1][0]["evalue"]
    assert commands.end((request, number)).exit_code == 0
    assert kernel.peak_memory() < 200 << 20
    commands.close()
    works_again(kernel)
