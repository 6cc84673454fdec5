"""Markup is parsed in a process of its own, that has one socket and nothing else; what becomes of it costs one output."""

import os
import pathlib
import signal
import time

import pytest
from support import leftovers

TABLE = ("from IPython.display import HTML, display\n"
         "display({'text/html': '<b onclick=\"x()\">bold</b><script>x()</script>', 'text/plain': 'plain'}, raw=True)\nprint('after')")
INERT = "<b>bold</b>"


@pytest.fixture
def kernel(start_as):
    return start_as(policy={"limits": {"cell_time": "60s"}, "outputs": {"comms": ["jupyter.widget"]}})


def cleaners(kernel):
    found = []
    for pid in leftovers.descendants(kernel.pid):
        words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
        if words[1:2] == [b"cleaner"]:
            found.append(pid)
    return found


def the_cleaner(kernel):
    assert kernel.client.run(TABLE).ok().of("display_data")[0].content["data"] == {"text/html": INERT, "text/plain": "plain"}
    pid, = cleaners(kernel)
    return pid


def test_it_has_one_socket_and_nothing_else(kernel):
    kernel.client.run("print('plain text needs none')").ok()
    assert cleaners(kernel) == []
    pid = the_cleaner(kernel)
    status = dict(line.split(":\t", 1) for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines() if ":\t" in line)
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1" and status["Threads"].strip() == "1"
    assert [os.readlink("/proc/%d/fd/%s" % (pid, fd)).split(":")[0] for fd in os.listdir("/proc/%d/fd" % pid)] == ["socket"]
    assert pathlib.Path("/proc/%d/environ" % pid).read_bytes().rstrip(b"\0") == b""
    limits = pathlib.Path("/proc/%d/limits" % pid).read_text()
    for name, most in (("Max core file size", 0), ("Max processes", 0), ("Max open files", 4), ("Max address space", 2 << 30)):
        line, = [one for one in limits.splitlines() if one.startswith(name)]
        assert int(line[len(name):].split()[0]) <= most, line
    print("memory of its own: %d KiB" % sum(int(line.split()[1]) for line in pathlib.Path("/proc/%d/smaps_rollup" % pid)
                                           .read_text().splitlines() if line.startswith("Private_")))


def test_one_that_stands_still_costs_its_output_and_nothing_else(kernel):
    kernel.client.run("kept = 42").ok()
    pid = the_cleaner(kernel)
    os.kill(pid, signal.SIGSTOP)
    request = kernel.client.execute(TABLE)
    begun, worst = time.monotonic(), 0.0
    while not kernel.client.of(request) or not any(one.type == "execute_reply" for one in kernel.client.of(request)):
        asked = time.monotonic()
        kernel.client.ask("kernel_info_request", channel="control", timeout=60)
        worst = max(worst, time.monotonic() - asked)
        assert time.monotonic() - begun < 60
        time.sleep(0.1)
    run = kernel.client.finish(request)
    assert run.status == "ok" and run.stdout == "after\n"
    assert run.of("display_data")[0].content["data"] == {"text/plain": "plain"}
    assert "too long" in run.stderr and "harmless" in run.stderr
    print("longest wait on control: %.3f s" % worst)
    assert kernel.client.run("kept").result == "42"
    assert the_cleaner(kernel) != pid


def test_an_interrupt_while_it_stands_still(kernel):
    pid = the_cleaner(kernel)
    os.kill(pid, signal.SIGSTOP)
    request = kernel.client.execute(TABLE + "\nimport time; time.sleep(50)")
    time.sleep(1)
    kernel.client.ask("interrupt_request", channel="control")
    run = kernel.client.finish(request, timeout=60)
    assert run.content["ename"] == "KeyboardInterrupt" and run.stdout == "after\n"
    the_cleaner(kernel)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_one_that_ends_is_followed_by_another(kernel, number):
    pid = the_cleaner(kernel)
    os.kill(pid, number)
    time.sleep(0.2)
    assert the_cleaner(kernel) != pid


def test_one_that_ends_in_the_midst_of_a_task(kernel):
    pid = the_cleaner(kernel)
    os.kill(pid, signal.SIGSTOP)
    request = kernel.client.execute(TABLE)
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    run = kernel.client.finish(request)
    assert run.status == "ok" and run.stdout == "after\n" and "harmless" in run.stderr
    assert run.of("display_data")[0].content["data"] == {"text/plain": "plain"}
    the_cleaner(kernel)


OPENED = ("from ipykernel.comm import Comm\n"
          "state = {'_model_module': '@jupyter-widgets/base', '_model_name': 'LayoutModel', '_view_name': 'LayoutView',"
          " '_view_module': '@jupyter-widgets/base', '_model_module_version': '2.0.0', '_view_module_version': '2.0.0'}\n"
          "one = Comm(target_name='jupyter.widget', data={'state': state}, metadata={'version': '2.1.0'})")
UPDATE = "one.send({'method': 'update', 'state': {'width': '3px'}})"


def with_a_widget(kernel):
    run = kernel.client.run(OPENED).ok()
    assert len(run.of("comm_open")) == 1, run.stderr
    assert len(kernel.client.run(UPDATE).ok().of("comm_msg")) == 1
    pid, = cleaners(kernel)
    return pid


def test_widgets_of_one_that_ended_are_refused_and_new_ones_work(kernel):
    os.kill(with_a_widget(kernel), signal.SIGSTOP)
    run = kernel.client.finish(kernel.client.execute(TABLE), timeout=60)
    assert "don't answer any more" in run.stderr
    assert kernel.client.run(UPDATE).ok().of("comm_msg") == []
    assert len(kernel.client.run(OPENED).ok().of("comm_open")) == 1


def test_widgets_of_one_that_ended_between_two_cells_are_told_of_once(kernel):
    pid = with_a_widget(kernel)
    os.kill(pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: pid not in leftovers.descendants(kernel.pid), 10)
    run = kernel.client.run(UPDATE).ok()
    assert run.of("comm_msg") == [] and run.stderr.count("don't answer any more") == 1
    run = kernel.client.run(UPDATE).ok()
    assert run.of("comm_msg") == [] and run.stderr == ""
    assert len(kernel.client.run(OPENED).ok().of("comm_open")) == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_none_outlives_a_kernel_that_is_killed(start_as, stopped):
    kernel = start_as()
    pid = the_cleaner(kernel)
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    tree = kernel.tree()
    assert pid in tree
    os.kill(kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 10), \
        [leftovers.command_line(one) for one in leftovers.living(tree)]
