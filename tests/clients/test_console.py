"""jupyter console in a real terminal."""

import re
import signal

import pexpect
import pytest
from clients.conftest import NAME
from support import kernels, leftovers

PATIENCE = 30
# Debian's prompt_toolkit 3.0.36 forgets the console's own handler of SIGINT after the first prompt, so that
# Ctrl-C would never reach any kernel. Newer ones keep it; here it is kept by not letting it be replaced.
START = """
from prompt_toolkit.application import Application
run_async = Application.run_async
Application.run_async = lambda self, *args, **options: run_async(self, *args, **{**options, "handle_sigint": False})
from jupyter_console.app import main
main()
"""
NOISE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


class Console:
    def __init__(self, place):
        self.child = pexpect.spawn(
            kernels.PYTHON, ["-c", START, "--kernel", NAME, "--no-confirm-exit",
                             "--ZMQTerminalInteractiveShell.kernel_timeout=60",
                             "--ZMQTerminalInteractiveShell.kernel_is_complete_timeout=20"],
            env=place.environment(), cwd=str(place.root / "work"), encoding="utf-8", timeout=PATIENCE,
            dimensions=(40, 120))

    def expect(self, pattern, timeout=PATIENCE):
        self.child.expect(pattern, timeout=timeout)
        return NOISE.sub("", self.child.before + str(self.child.after))

    def prompt(self, number):
        """The prompt is drawn anew with each key: wait for its last state."""
        return self.expect(r"In .{0,40}\[.{0,20}%d.{0,40}\].{0,20}: " % number)

    def cell(self, code):
        self.child.send(code)
        self.expect(re.escape(code[-1]))
        self.child.send("\r")


@pytest.fixture
def console(spec_place):
    made = Console(spec_place)
    tree = {}
    try:
        made.prompt(1)
        tree = leftovers.descendants(made.child.pid)
        yield made
        tree.update(leftovers.descendants(made.child.pid))
    finally:
        made.child.close(force=True)
        left = [] if leftovers.wait_until(lambda: not leftovers.living(tree), 5) else leftovers.living(tree)
        leftovers.send(signal.SIGKILL, left)
    assert not left or kernels.is_ipykernel(), "the kernel outlived the console"


def test_a_cell_and_exit(console):
    console.cell("print('sum', 40 + 2)")
    console.expect("sum 42")
    console.prompt(2)
    console.cell("6 * 111")
    console.expect("666")
    console.prompt(3)
    console.child.send("exit\r")
    console.expect(pexpect.EOF)
    console.child.close()
    assert console.child.exitstatus == 0


def test_tab_completion(console):
    console.cell("globals()['a_rather_' + 'long' + '_name'] = 9")
    console.prompt(2)
    console.child.send("a_rather_l\t")
    console.expect("long_name")  # which nobody typed
    console.child.send(" * 100\r")
    console.expect("900")


def test_input(console):
    console.cell("name = input('your name? ')")
    console.expect(r"your name\? $")
    console.child.send("Ada\n")
    console.prompt(2)
    console.cell("'hello ' + name + '!'")
    console.expect("hello Ada!")


def test_an_interrupt_by_control_c(console):
    console.cell("import time; print('beg' + 'un'); time.sleep(60)")
    console.expect("begun")
    console.child.sendintr()
    console.expect("KeyboardInterrupt.*Traceback", timeout=20)
    console.prompt(2)
    console.cell("print('al' + 'ive')")
    console.expect("alive")


def test_an_error_is_shown(console):
    console.cell("1/0")
    console.expect("ZeroDivisionError")
    console.prompt(2)


@pytest.mark.cellblock_only("ipykernel waits to become a child of pid 1, which a subreaper prevents")
def test_the_terminal_closes_and_the_kernel_leaves(console):
    console.child.kill(signal.SIGHUP)
    console.child.expect(pexpect.EOF, timeout=30)
