"""The daemon's pool: sandboxes that are made ahead, given once, and never more than there may be."""

import os
import pathlib
import re
import resource
import signal
import subprocess
import threading
import time

import pytest
from support import kernels, leftovers
from support.daemons import ask, daemons, make_font_list, processor_time, ready, run, sandbox_of, sandboxes, status, wait_for

# What sessions import would bring about another warm Python, and with it other spares.
WARM = {"warm": True, "preload": [], "limits": {"memory": "400MiB"}}


def policy_of(place, name="pool", **keys):
    return place.policy(name, **{**WARM, **keys})


@pytest.fixture
def place(own_place):
    make_font_list(own_place)
    own_place.warm = True
    return own_place


@pytest.fixture
def daemon(place):
    """make(settings): a daemon."""
    # The first session's kind isn't any test's.
    with daemons(place, lambda one: one.warm_up(policy_of(place, "begin", pool={"min": 0, "max": 0}))) as make:
        yield make
    assert leftovers.wait_until(lambda: not supervisors_of(place), 5), supervisors_of(place)


def supervisors_of(place):
    """Jails whose supervisors come from this place, whoever their parent is now."""
    mark = str(place.root).encode()
    return [pid for pid, stat in leftovers.all_processes().items()
            if stat[0] == "cellblock-jail" and mark in read(pid, "environ")]


def read(pid, name):
    try:
        return pathlib.Path("/proc/%d/%s" % (pid, name)).read_bytes()
    except OSError:
        return b""


def test_a_session_gets_one_that_is_ready_and_another_is_made(daemon, place):
    daemon()
    policy = policy_of(place)
    assert run(place, "open('mine', 'w').write('x'); mine = 1", policy)[0]["status"] == "ok"
    ready(place)
    before = status(place)["claims"]
    for _ in range(2):
        result, said = run(place, "import os; print('mine' in globals(), os.listdir('.'))", policy)
        assert result["stdout"] == "False []\n" and "cold" not in said, (result, said)
        ready(place)
    after = status(place)["claims"]
    assert after["from_pool"] - before["from_pool"] == 2 == after["given"] - before["given"]


def test_as_many_are_made_as_were_asked_for_lately(daemon, place):
    daemon()
    policy = policy_of(place, pool={"min": 1, "max": 3})
    for _ in range(5):
        run(place, "pass", policy)
    assert ready(place, 3)["pool"] == {**status(place)["pool"], "ready": 3, "target": 3}


def test_a_policy_may_want_none_ahead(daemon, place):
    daemon()
    policy = policy_of(place, pool={"min": 0, "max": 0})
    for _ in range(2):
        assert "cold" not in run(place, "pass", policy)[1]
    told = status(place)
    assert told["pool"]["target"] == 0 == told["claims"]["from_pool"] and told["claims"]["given"] == 2


def test_another_policy_never_gets_it(daemon, place):
    daemon()
    run(place, "pass", policy_of(place))
    ready(place)
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    small = run(place, code, policy_of(place, "small", limits={"memory": "400MiB", "disk": "5MiB"}))[0]
    usual = run(place, code, policy_of(place))[0]
    assert small["stdout"] != usual["stdout"]
    assert status(place)["claims"]["from_pool"] == 1


def test_a_folder_that_was_replaced_is_the_new_one_for_the_next_session(daemon, place):
    daemon()
    shown = place.root / "work" / "shown"

    def show(text):
        fresh = place.root / "work" / "fresh"
        fresh.mkdir(mode=0o755)
        (fresh / "file").write_text(text)
        if shown.exists():
            shown.rename(place.root / "work" / "old")
        fresh.rename(shown)

    show("first")
    policy = policy_of(place, files=[{"host": str(shown), "sandbox": "/data"}])
    for _ in range(2):
        assert run(place, "print(open('/data/file').read())", policy)[0]["stdout"] == "first\n"
        ready(place)
    show("second")
    assert run(place, "print(open('/data/file').read())", policy)[0]["stdout"] == "second\n"


def test_a_daemon_without_descriptors_says_so_and_rests(daemon, place):
    """A socket that nobody can be accepted from stays readable: a loop that only tries again takes a processor."""
    pid = daemon().process.pid
    policy = policy_of(place)
    run(place, "pass", policy)
    ready(place)
    def allow(files):
        subprocess.run(place.as_user(["prlimit", "--pid", str(pid), "--nofile=%d:" % files]), check=True)

    limits = file_limits(pid)
    assert limits[0] == limits[1] >= resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # it has raised it
    def taken():
        return {int(name) for name in os.listdir("/proc/%d/fd" % pid)}

    def is_at_rest():  # what the first session leaves is cleared away beside the loop
        before = taken()
        time.sleep(2)
        return taken() == before

    assert leftovers.wait_until(is_at_rest, 20)
    allow(min(set(range(9999)) - taken()))
    try:
        said = [run(place, "print(1)", policy)]
        begin, before = time.monotonic(), processor_time(pid)
        time.sleep(1.5)
        assert processor_time(pid) - before < (time.monotonic() - begin) / 3
    finally:
        allow(limits[0])
    assert all(result["stdout"] == "1\n" and "no more descriptors" in why for result, why in said), said
    leftovers.wait_until(lambda: "cold" not in run(place, "pass", policy)[1], 10)
    assert "cold" not in run(place, "pass", policy)[1]


def file_limits(pid):
    text = pathlib.Path("/proc/%d/limits" % pid).read_text()
    return [int(word) for word in re.search(r"Max open files +(\d+) +(\d+)", text).groups()]


@pytest.mark.both_users
def test_each_is_another_user_of_the_host(daemon, place):
    if place.user:
        pytest.skip("an ordinary user's sandboxes are that user's")
    daemon()
    policy = policy_of(place, pool={"min": 3, "max": 3})
    run(place, "pass", policy)
    ready(place, 3)
    users = []
    for pid in sandboxes(place)[0]:
        (first,) = [child for child, stat in leftovers.all_processes().items() if stat[2] == pid]
        users.append(re.search(rb"Uid:\s+(\d+)", read(first, "status")).group(1))
    assert len(set(users)) == 3 and b"0" not in users, users


# --- what can't be had

def test_a_warm_python_that_fails_is_not_tried_by_every_session(place):
    """One attempt may take a minute; the next ones are further and further apart."""
    with daemons(place) as make:
        make()
        policy = policy_of(place, preload=["cellblock_test_isnt_there"])
        said = []
        assert leftovers.wait_until(lambda: said.append(run(place, "1", policy)[1]) or "no warm Python" in said[-1], 60), said
        zygotes = status(place)["zygotes"]
        for _ in range(2):
            assert "cellblock_test_isnt_there" in run(place, "1", policy)[1]
        now = status(place)["zygotes"]
        assert len(now) == len(zygotes) == 1 and now[0]["failures"] == 1
        assert 0 < now[0]["retry_seconds"] < zygotes[0]["retry_seconds"] <= 60
        assert "tried again in" in ask(place, "status")


# --- bounds

def test_no_more_sandboxes_than_there_may_be(daemon, place, start_as):
    daemon(sandboxes=2)
    policy = policy_of(place)
    held = [start_as(place=place, policy=WARM) for _ in range(2)]
    for one in held:
        one.client.run("1").ok()
    result, said = run(place, "print(1)", policy)
    assert result["status"] == "unavailable" and "2 sandboxes run, and no more than 2 may" in str(result), result
    assert "daemon.json" in str(result) and "a cold start" not in said
    assert held[0].stop() == {}
    wait_for(place, lambda told: told["sandboxes"]["living"] == 1)
    assert run(place, "print(1)", policy)[0]["stdout"] == "1\n"
    assert status(place)["claims"]["refused"] >= 1


def test_no_more_memory_than_there_may_be(daemon, place, start_as):
    daemon(memory="150MiB")
    policy = policy_of(place)
    holder = start_as(place=place, policy=WARM)
    holder.client.run("x = bytearray(b'x') * (200 << 20)").ok()
    wait_for(place, lambda told: told["sandboxes"]["memory_bytes"] > 150 << 20)
    result, said = run(place, "print(1)", policy)
    assert result["status"] == "unavailable" and "no more than 150 MiB are for them" in str(result), result
    assert "a cold start" not in said
    wait_for(place, lambda told: told["pool"]["ready"] == 0)  # what nobody has goes first
    holder.client.run("del x").ok()
    wait_for(place, lambda told: told["sandboxes"]["memory_bytes"] < 100 << 20)
    assert run(place, "print(1)", policy)[0]["stdout"] == "1\n"


def test_a_fault_in_its_settings_is_told_and_sandboxes_start_cold(place):
    (place.root / "config" / "cellblock").mkdir(parents=True)
    (place.root / "config" / "cellblock").chmod(0o755)
    (place.root / "config" / "cellblock" / "daemon.json").write_text('{"sandboxs": 3}')
    result, said = run(place, "print(1)", policy_of(place))
    assert result["stdout"] == "1\n"
    assert "a cold start" in said and "daemon.json" in said and 'did you mean "sandboxes"' in said


# --- ends

def test_a_spare_that_is_killed_is_replaced(daemon, place):
    daemon()
    policy = policy_of(place)
    run(place, "pass", policy)
    ready(place)
    (spare,), count = sandboxes(place)
    assert count == 1
    os.kill(spare, signal.SIGKILL)
    assert leftovers.wait_until(lambda: sandboxes(place)[0] - {spare} and status(place)["pool"]["ready"] == 1, 20)
    assert "cold" not in run(place, "print(1)", policy)[1]


def test_kill_9_of_the_daemon_ends_its_spares_and_no_session(daemon, place, start_as):
    server = daemon()
    kernel = start_as(place=place, policy=WARM)
    kernel.client.run("kept = 5").ok()
    ready(place)
    spares = sandboxes(place)[0]
    assert len(spares) == 2
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    assert leftovers.wait_until(lambda: len([pid for pid in spares if leftovers.is_alive(pid)]) == 1, 10)
    assert kernel.client.run("kept").result == "5"


def test_a_zygote_that_is_killed_is_made_anew(daemon, place, start_as):
    daemon()
    kernel = start_as(place=place, policy=WARM)
    kernel.client.run("kept = 5").ok()
    ready(place)
    zygote = status(place)["zygotes"][0]["process"]
    time.sleep(10.5)  # one that dies at once isn't tried again and again
    os.kill(zygote, signal.SIGKILL)
    told = wait_for(place, lambda told: [one["state"] for one in told["zygotes"]] == ["ready"]
                    and told["zygotes"][0]["process"] != zygote)
    assert told["pool"]["ready"] == 0  # what it had made ahead is gone with it
    assert kernel.client.run("kept").result == "5"
    assert "cold" not in run(place, "print(1)", policy_of(place))[1]


def test_ends_are_counted_by_reason(daemon, place, start_as):
    daemon()
    kernel = start_as(place=place, policy=WARM)
    kernel.client.run("1").ok()
    ready(place)
    assert kernel.stop() == {}
    ends = wait_for(place, lambda told: told["sandboxes"]["living"] == 0)["sandboxes"]["ends"]
    assert ends == {**dict.fromkeys(ends, 0), "session_ended": 1}
    kernel = start_as(place=place, policy=WARM)
    kernel.client.run("1").ok()
    ready(place)
    os.kill(sandbox_of(kernel.pid), signal.SIGKILL)
    ends = wait_for(place, lambda told: told["sandboxes"]["ends"]["supervisor_killed"])["sandboxes"]["ends"]
    assert ends == {**dict.fromkeys(ends, 0), "session_ended": 1, "supervisor_killed": 1}


def test_a_session_that_ends_is_counted_as_that_though_its_first_process_is_gone_first(daemon, place, start_as):
    daemon()
    kernel = start_as(place=place, policy=WARM)
    kernel.client.run("1").ok()
    supervisor = sandbox_of(kernel.pid)
    os.kill(supervisor, signal.SIGSTOP)  # so that it hears of both ends at once
    later = threading.Timer(1.5, os.kill, (supervisor, signal.SIGCONT))
    later.start()
    assert kernel.stop() == {}
    later.join()
    ends = wait_for(place, lambda told: told["sandboxes"]["living"] == 0)["sandboxes"]["ends"]
    assert ends == {**dict.fromkeys(ends, 0), "session_ended": 1}


def test_what_nobody_asks_for_goes(daemon, place):
    daemon(idle="8s")  # one is made meanwhile, however busy the machine is
    run(place, "pass", policy_of(place))
    ready(place)
    assert leftovers.wait_until(lambda: status(place) is None, 30)


def test_one_that_gives_no_answer_is_named_and_stopped_when_it_does(daemon, place):
    server = daemon()
    run(place, "pass", policy_of(place))
    ready(place)
    commands = {word: subprocess.Popen(place.as_user([kernels.PROGRAM, "daemon", word]), env=place.environment(), text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for word in ("status", "stop") if not os.kill(server.process.pid, signal.SIGSTOP)}
    try:
        told, error = commands["status"].communicate(timeout=30)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert commands["status"].returncode == 1 and told == "", (told, error)
    assert "process %d" % server.process.pid in error and "gives no answer" in error and "end that process" in error, error
    assert commands["stop"].communicate(timeout=60) == ("stopped: 1\n", "")
    assert not list((place.root / "run").glob("cellblock/daemon-*"))
    assert server.process.wait(30) == 0


# --- figures

def test_figures_for_people_and_machines(daemon, place, start_as):
    daemon()
    kernel = start_as(place=place, policy=WARM)
    kernel.client.run("x = bytearray(b'x') * (50 << 20)").ok()
    told = wait_for(place, lambda told: told["sandboxes"]["memory_bytes"] > 50 << 20)
    assert told["sandboxes"]["living"] == 1 and told["claims"]["per_second"] > 0
    assert told["zygotes"][0]["memory_bytes"] > 20 << 20 and told["zygotes"][0]["forks"] >= 1
    assert told["claims"]["seconds"]["samples"] == 1 and told["claims"]["seconds"]["p99"] > 0
    words = ask(place, "status")
    assert "sandboxes: 1 of at most 1000" in words and "ready after" in words
    assert told["idle"]["memory_bytes"] > told["zygotes"][0]["memory_bytes"] and told["idle"]["leaves_in_seconds"] == -1
    assert "for sessions to come; leaves some time after the last session" in words
    metrics = ask(place, "status", "--openmetrics")
    assert re.search(r'^cellblock_sandboxes\{process="\d+"\} 1$', metrics, re.MULTILINE), metrics
    assert metrics.endswith("# EOF\n")
    for line in metrics.splitlines():
        assert re.fullmatch(r'# (TYPE|HELP) cellblock_\w+ .+|# EOF|cellblock_\w+\{\w+="[^"]*"(,\w+="[^"]*")*\} [-+.\de]+',
                            line), line
