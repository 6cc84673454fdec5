"""The daemon's pool of other engines' sandboxes: made ahead, given once, gone with whoever they belong to."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import time

import pytest
from support import kernels, leftovers
from support.daemons import ask, daemons, ready, run, status, wait_for

PROGRAMS = {"bubblewrap": "bwrap", "runc": "runc"}
ONE = {"warm": True, "limits": {"memory": "640MiB"}, "pool": {"min": 1, "max": 1}}
SEEN = "import os, socket; print(os.path.exists('/tmp/mine'), 'mine' in globals()); open('/tmp/mine', 'w'); mine = 1"


@pytest.fixture
def place(own_place):
    own_place.warm = True
    return own_place


@pytest.fixture(params=PROGRAMS)
def engine(request, place):
    if place.user and request.param != "bubblewrap":
        pytest.skip("one engine is enough as an ordinary user")
    if not shutil.which(PROGRAMS[request.param], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        pytest.skip("there is no program " + PROGRAMS[request.param])
    return request.param


@pytest.fixture
def daemon(place):
    """make(settings): a daemon. At the end nothing of its sandboxes may be left."""
    with daemons(place) as make:
        yield make
    assert leftovers.wait_until(lambda: not of_place(place), 10), of_place(place)
    assert leftovers.wait_until(lambda: not list((place.root / "tmp").iterdir()), 5), list((place.root / "tmp").iterdir())


def policy_of(place, engine, name="pool", **keys):
    return place.policy(name, engine=engine, **{**ONE, **keys})


def of_place(place):
    """Relays and what they have started, of whatever parent."""
    mark = str(place.root).encode()
    found = {}
    for pid in leftovers.all_processes():
        try:
            text = pathlib.Path("/proc/%d/environ" % pid).read_bytes()
        except OSError:
            continue
        line = leftovers.command_line(pid)
        if mark in text and any(word in line for word in ("cellblock launcher", "cellblock relay", "bwrap", "runc")):
            found[pid] = line
    return found


def makers(place):
    return {pid for pid, line in of_place(place).items() if "cellblock launcher" in line}


def warm(place, code, policy):
    """What a cell printed in a sandbox of the daemon's."""
    result, said = run(place, code, policy)
    assert result["status"] == "ok" and "cold" not in said, (result, said)
    return result["stdout"]


def primed(place, policy):
    """One session, and then a spare that is ready."""
    warm(place, "pass", policy)
    return ready(place)


def session(place, engine, start_as):
    """A kernel with a sandbox that was made ahead, and that one's maker."""
    primed(place, policy_of(place, engine, "test-0"))  # as start_as() calls it
    (given,) = makers(place)
    return start_as(place=place, policy={"engine": engine, **ONE}), given


def test_each_is_made_ahead_and_given_once(daemon, place, engine):
    daemon()
    policy = policy_of(place, engine)
    before = primed(place, policy)["claims"]
    seen = set()
    for _ in range(3):
        (spare,) = makers(place)
        assert spare not in seen
        seen.add(spare)
        assert warm(place, SEEN, policy) == "False False\n"
        assert leftovers.wait_until(lambda: not leftovers.is_alive(spare), 10)
        ready(place)
    after = wait_for(place, lambda told: told["sandboxes"]["ends"]["session_ended"] == 4)
    assert after["claims"]["from_pool"] - before["from_pool"] == 3
    assert after["engines"][engine]["start_seconds"]["samples"] >= 3


def test_a_burst_gets_one_each(daemon, place, engine):
    daemon()
    policy = policy_of(place, engine)
    primed(place, policy)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: warm(place, SEEN, policy), range(4)))
    assert seen == ["False False\n"] * 4
    assert wait_for(place, lambda told: told["sandboxes"]["living"] == 0)["claims"]["given"] == 5


def test_no_more_than_there_may_be_and_figures_by_engine(daemon, place, engine, start_as):
    daemon(sandboxes=1)
    policy = policy_of(place, engine)
    kernel = start_as(place=place, policy={"engine": engine, **ONE})
    kernel.client.run("1").ok()
    result, said = run(place, "print(1)", policy)
    assert result["status"] == "unavailable" and "1 sandboxes run, and no more than 1 may" in str(result), result
    assert "daemon.json" in str(result) and "a cold start" not in said
    told = wait_for(place, lambda told: told["sandboxes"]["memory_bytes"] > 1 << 20)
    assert told["engines"][engine]["living"] == 1 and told["pool"]["ready"] == 0, told
    assert "engine %s: 0 of 1 ready, 0 under way, 1 with sessions" % engine in ask(place, "status")
    assert 'cellblock_engine_sandboxes{process="%d",engine="%s"} 1\n' % (told["process"], engine) \
        in ask(place, "status", "--openmetrics")
    assert kernel.stop() == {}
    wait_for(place, lambda told: told["sandboxes"]["living"] == 0)
    assert run(place, "print(1)", policy)[0]["stdout"] == "1\n"


def test_spares_have_no_more_memory_than_there_may_be(daemon, place, engine):
    daemon(memory="200MiB")
    warm(place, "pass", policy_of(place, engine, pool={"min": 16, "max": 16}))
    told = wait_for(place, lambda told: told["pool"]["memory_bytes"] > 100 << 20)
    assert told["pool"]["target"] == 16
    time.sleep(3)
    later = status(place)
    assert 2 <= later["pool"]["ready"] <= 8 and later["pool"]["memory_bytes"] < 200 << 20, later
    assert later["engines"][engine]["start_seconds"]["samples"] <= later["pool"]["ready"] + 1, later


def test_what_nobody_asks_for_goes(daemon, place, engine):
    daemon(idle="8s")  # one is made meanwhile, however busy the machine is
    primed(place, policy_of(place, engine))
    assert makers(place)
    assert leftovers.wait_until(lambda: status(place) is None, 30)
    assert leftovers.wait_until(lambda: not of_place(place), 10), of_place(place)


# --- kill -9

def test_kill_9_of_the_daemon_ends_its_spares_and_no_session(daemon, place, engine, start_as):
    server = daemon()
    kernel, given = session(place, engine, start_as)
    kernel.client.run("kept = 5").ok()
    ready(place)
    assert len(makers(place)) == 2
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    assert leftovers.wait_until(lambda: makers(place) == {given}, 10), of_place(place)
    assert kernel.client.run("kept").result == "5"
    assert kernel.stop() == {}


def test_kill_9_of_the_kernel_ends_its_sandbox_and_no_spare(daemon, place, engine, start_as):
    daemon()
    kernel, given = session(place, engine, start_as)
    kernel.client.run("1").ok()
    ready(place)
    os.kill(kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.is_alive(given), 10)
    told = wait_for(place, lambda told: told["sandboxes"]["living"] == 0)
    assert told["sandboxes"]["ends"]["session_ended"] == 2 and len(makers(place)) == 1
    kernel.kill()


def test_a_spare_whose_relay_is_killed_is_replaced_and_leaves_nothing(daemon, place, engine):
    daemon()
    policy = policy_of(place, engine)
    primed(place, policy)
    (spare,) = makers(place)
    folders = set((place.root / "tmp").iterdir())
    assert folders
    os.kill(spare, signal.SIGKILL)
    assert leftovers.wait_until(lambda: makers(place) - {spare} and status(place)["pool"]["ready"] == 1, 20)
    assert leftovers.wait_until(lambda: not folders & set((place.root / "tmp").iterdir()), 10)
    assert warm(place, SEEN, policy) == "False False\n"


def test_a_spare_whose_sandbox_is_killed_is_replaced(daemon, place, engine):
    daemon()
    policy = policy_of(place, engine)
    primed(place, policy)
    (spare,) = makers(place)
    leftovers.send(signal.SIGKILL, leftovers.children(spare))
    assert leftovers.wait_until(lambda: makers(place) and spare not in makers(place)
                                and status(place)["pool"]["ready"] == 1, 20), of_place(place)
    assert warm(place, SEEN, policy) == "False False\n"


def test_a_session_whose_relay_is_killed_has_another_sandbox(daemon, place, engine, start_as):
    daemon()
    kernel, given = session(place, engine, start_as)
    kernel.client.run("kept = 5").ok()
    os.kill(given, signal.SIGKILL)
    leftovers.wait_until(lambda: not leftovers.is_alive(given), 5)
    assert leftovers.wait_until(lambda: kernel.client.run("'kept' in globals()").result == "False", 20)
    wait_for(place, lambda told: told["sandboxes"]["ends"]["supervisor_killed"] == 1)
    assert kernel.stop() == {}


def test_what_daemon_and_relay_leave_when_both_are_killed_goes_at_the_next_start(daemon, place, engine):
    server = daemon()
    policy = policy_of(place, engine)
    primed(place, policy)
    (spare,) = makers(place)
    os.kill(server.process.pid, signal.SIGSTOP)
    os.kill(spare, signal.SIGKILL)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    assert leftovers.wait_until(lambda: not of_place(place), 10), of_place(place)
    assert list((place.root / "tmp").iterdir())
    daemon()
    assert warm(place, SEEN, policy) == "False False\n"


# --- what stands in for what

def changed_template(place, name, **changes):
    """One of ours in the user's folder, changed."""
    folder = place.root / "config" / "cellblock" / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    for one in (folder.parent, folder):
        one.chmod(0o755)
    text = (kernels.REPO / "share/cellblock/engines/bubblewrap.json").read_text()
    made = {**json.loads(text), **changes}
    made["argv"] = [name if word == "cellblock" else word for word in made["argv"]]
    (folder / "mine.json").write_text(json.dumps(made))
    return "mine"


@pytest.fixture
def needs_bubblewrap():
    if not shutil.which("bwrap"):
        pytest.skip("there is no program bwrap")


def test_a_changed_template_makes_new_ones_and_drops_the_old(daemon, place, needs_bubblewrap):
    daemon()
    policy = policy_of(place, changed_template(place, "first"))
    code = "import socket; print(socket.gethostname())"
    assert warm(place, code, policy) == "first\n"
    ready(place)
    (old,) = makers(place)
    changed_template(place, "second")
    assert warm(place, code, policy) == "second\n"
    assert leftovers.wait_until(lambda: not leftovers.is_alive(old), 10)
    assert ready(place)["engines"]["mine"]["target"] == 1


def test_a_changed_image_makes_new_ones_and_drops_the_old(daemon, place, needs_bubblewrap):
    daemon()
    version = place.root / "work" / "version"
    version.write_text("1")
    policy = policy_of(place, changed_template(place, "image", version=["cat", str(version)]))
    primed(place, policy)
    (old,) = makers(place)
    warm(place, "pass", policy)
    assert not leftovers.is_alive(old) and ready(place)["claims"]["from_pool"] == 1
    (old,) = makers(place)
    version.write_text("2")
    warm(place, "pass", policy)
    assert leftovers.wait_until(lambda: not leftovers.is_alive(old), 10)
    assert ready(place)["claims"]["from_pool"] == 1


def test_of_several_engines_the_first_isnt_tried_where_one_of_its_sandboxes_is_ready(daemon, place, needs_bubblewrap):
    daemon()
    tried = place.root / "work" / "tried"
    tried.touch()
    tried.chmod(0o666)
    engine = changed_template(place, "several", probe=["sh", "-c", "echo x >> %s" % tried])
    policy = policy_of(place, [engine, "native"])
    primed(place, policy)
    assert len(tried.read_text().split()) == 1
    assert warm(place, "import socket; print(socket.gethostname())", policy) == "several\n"
    assert len(tried.read_text().split()) == 1
    assert ready(place)["claims"]["from_pool"] == 1


def test_another_policy_or_environment_never_gets_it(daemon, place, needs_bubblewrap):
    daemon()
    primed(place, policy_of(place, "bubblewrap"))
    code = "import os, resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0], os.environ.get('LANG'))"
    usual = warm(place, code, policy_of(place, "bubblewrap"))
    ready(place)
    small = warm(place, code, policy_of(place, "bubblewrap", "small", limits={"memory": "640MiB", "disk": "5MiB"}))
    assert small.split()[0] != usual.split()[0]
    passed = policy_of(place, "bubblewrap", "passed", environment={"LANG": True})
    primed(place, passed)
    before = status(place)["claims"]["from_pool"]
    environment = place.environment
    place.environment = lambda: {**environment(), "LANG": "C"}
    try:
        assert warm(place, code, passed).split()[1] == "C"
    finally:
        place.environment = environment
    assert status(place)["claims"]["from_pool"] == before


def test_a_folder_that_was_replaced_and_a_copy_that_was_changed_are_the_new_ones(daemon, place, needs_bubblewrap):
    daemon()
    work = place.root / "work"
    for name in ("shown", "copied"):
        (work / name).mkdir(mode=0o755)
        (work / name / "file").write_text("1")
    policy = policy_of(place, "bubblewrap", files=[{"host": str(work / "shown"), "sandbox": "/data"},
                                                  {"host": "copied", "sandbox": "/work", "mode": "overlay"}])
    code = "print(open('/data/file').read(), open('/work/file').read())"
    for _ in range(2):
        assert warm(place, code, policy) == "1 1\n"
        ready(place)
    assert status(place)["claims"]["from_pool"] == 1
    (work / "copied" / "file").write_text("22")
    assert warm(place, code, policy) == "1 22\n"
    (work / "shown").rename(work / "old")
    (work / "shown").mkdir(mode=0o755)
    (work / "shown" / "file").write_text("2")
    assert warm(place, code, policy) == "2 22\n"
    ready(place)
    assert len(makers(place)) == 1


def test_an_engine_that_fails_is_told_as_ever_and_not_tried_on_and_on(daemon, place, needs_bubblewrap):
    daemon()
    engine = changed_template(place, "fails", argv=["sh", "-c", "echo it is broken >&2; exit 3"])
    policy = policy_of(place, engine)
    result, said = run(place, "1", policy)
    assert result["status"] == "unavailable" and "it is broken" in str(result), (result, said)
    assert leftovers.wait_until(lambda: status(place)["pool"]["target"] == 0, 20), status(place)
    assert leftovers.wait_until(lambda: not of_place(place), 10), of_place(place)  # the last one is ending
    time.sleep(1)
    assert not of_place(place), "it is tried on and on"
    policy = policy_of(place, "bubblewrap", require=["landlock"])
    result, said = run(place, "1", policy)
    assert result["status"] == "unavailable" and "landlock" in str(result), (result, said)
