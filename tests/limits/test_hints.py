"""Where the policy is why a cell failed, its error ends with one line that names the key."""

import pytest

from limits.conftest import shared_with

limited = shared_with({"memory": "400MiB"})


@pytest.fixture
def client(limited):
    return limited.kernel().client


@pytest.mark.parametrize("code, key", [
    ("open('/home/somebody/data.csv')", "files"),
    ("open('/etc/shadow')", "files"),
    ("import pandas; pandas.read_csv('data.csv')", None),
    ("open('/usr/new-file', 'w')", "files"),
    ("import os; os.listdir('/root')", "files"),
    ("import urllib.request; urllib.request.urlopen('http://example.org')", "network"),
    ("import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)", "network"),
    ("import socket; socket.getaddrinfo('example.org', 80)", "network"),
    ("bytearray(10 << 30)", "limits.memory"),
    ("import no_such_module_at_all", "python"),
])
def test_the_last_line_names_the_key(client, code, key):
    run = client.run(code)
    assert run.status == "error"
    last = run.content["traceback"][-1].splitlines()[-1]
    if key is not None:
        assert last.startswith("cellblock: ") and "key %s)" % key in last, run.content
        assert run.traceback.count("cellblock: ") == 1
    assert run.of("error")[0].content["traceback"] == run.content["traceback"]


@pytest.mark.parametrize("code", ["1/0", "open('/tmp/not-there')", "raise ValueError('x')", "{}['key']"])
def test_other_errors_have_no_such_line(client, code):
    assert "cellblock: " not in client.run(code).traceback


def test_a_limit_of_processes_that_is_too_low_is_named(start_as):
    """Below what Python itself needs, and below what OpenBLAS wants."""
    run = start_as(policy={"limits": {"processes": 2}}).client.run("1")
    assert run.content["ename"] == "SandboxUnavailable" and "limits.processes" in run.content["evalue"], run.content
    client = start_as(policy={"limits": {"processes": 3, "cpus": 2}}).client
    run = client.run("import numpy; 'there'")
    assert run.status == "ok" or "key limits.processes" in run.traceback + run.stderr, run.content
    # As OpenBLAS does where the machine has more processors than this one.
    run = client.run("import _thread, os, signal, time\nwhile True:\n    try: _thread.start_new_thread(time.sleep, (5,))\n"
                     "    except RuntimeError: break\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(3)")
    assert run.content["ename"] == "KeyboardInterrupt" and "key limits.processes" in run.traceback, run.content


def test_hints_do_not_hide_the_error(client):
    run = client.run("open('/home/somebody/data.csv')")
    assert run.content["ename"] == "FileNotFoundError" and "/home/somebody/data.csv" in run.content["evalue"]
