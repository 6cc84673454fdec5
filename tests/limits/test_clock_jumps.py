"""Somebody sets the system's clock to another year while a daemon, its spares and kernels are there."""

import datetime
import json
import time

import pytest
from support import clock, leftovers
from support.daemons import Daemon, make_font_list, processor_time, ready, run, status, wait_for
from support.kernels import Kernel

LIBRARY = clock.library()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime isn't installed")

SEEN = "print('zygote' in open('/proc/1/cmdline').read())"
YEARS = pytest.mark.parametrize("years", [10, -10], ids=["ten_years_on", "ten_years_back"])
RUNS_FOR = "import time\nprint('begun', flush=True)\nend = time.monotonic() + %d\nwhile time.monotonic() < end: time.sleep(0.05)\nprint('done')"
MOST_AT_REST = 0.5  # of a processor


@pytest.fixture
def the_clock(own_place):
    with clock.clock_of(own_place, LIBRARY) as made:
        yield made


@pytest.fixture
def daemon(own_place, the_clock):
    """make(**settings): a daemon that has that clock."""
    made = []

    def make(**settings):
        made.append(Daemon(own_place, settings or None))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def start(own_place, the_clock):
    """start(policy): a kernel that has that clock."""
    made = []

    def make(policy):
        made.append(Kernel(own_place, policy=policy))
        return made[-1]

    yield make
    left = {}
    for one in made:
        left.update(one.stop())
    assert not left, "outlived the kernel: %s" % left


def policy_of(place, **limits):
    return place.policy("jump", pool={"min": 1, "max": 1}, limits=limits)


def with_a_spare(place, **limits):
    """A policy of which a sandbox is ready; the list of fonts would make another kind of it meanwhile."""
    policy = policy_of(place, **limits)
    make_font_list(place)
    run(place, "pass", policy)
    wait_for(place, lambda told: any(one["state"] == "ready" for one in told["zygotes"]), 60)
    ready(place)
    return policy


def year_of(message):
    return datetime.datetime.fromisoformat(message.header["date"].replace("Z", "+00:00")).year


def at_rest(pid, seconds=2):
    """Whether the process leaves most of a processor to others for so long."""
    begin, before = time.monotonic(), processor_time(pid)
    time.sleep(seconds)
    return processor_time(pid) - before < MOST_AT_REST * (time.monotonic() - begin)


@YEARS
def test_spares_are_still_claimed_and_made(own_place, the_clock, daemon, years):
    """The daemon has seen the other year: so it dates what it has learned."""
    served = daemon()
    policy = with_a_spare(own_place)
    before = status(own_place)["claims"]
    the_clock.set(years)
    for code in (SEEN, "import statistics\n" + SEEN):
        result, said = run(own_place, code, policy)
        assert result["stdout"] == "True\n" and "cold" not in said, (result, said)
        ready(own_place)
    after = status(own_place)["claims"]
    assert after["from_pool"] - before["from_pool"] == 2 == after["given"] - before["given"]
    file = own_place.root / "cache" / "cellblock" / "imports.json"

    def day():
        with_names = [one["names"] for one in json.loads(file.read_text())["pythons"].values()] if file.exists() else []
        return next((names["statistics"][1] for names in with_names if "statistics" in names), None)

    assert leftovers.wait_until(day, 20)
    assert abs(day() - time.time() / 86400 - years * 365.25) < 30
    wait_for(own_place, lambda told: any("statistics" in one["preload"] and one["state"] == "ready" for one in told["zygotes"]))
    assert leftovers.wait_until(lambda: at_rest(served.process.pid), 20)


@YEARS
def test_the_daemon_leaves_when_it_has_been_idle_for_so_long(own_place, the_clock, daemon, years):
    served = daemon(idle="20s")
    with_a_spare(own_place)
    told = wait_for(own_place, lambda told: told["sandboxes"]["living"] == 0)
    before = told["idle"]["leaves_in_seconds"]
    begin = time.monotonic()
    the_clock.set(years)
    after = status(own_place)["idle"]["leaves_in_seconds"]
    assert before - (time.monotonic() - begin) - 0.5 <= after <= before
    served.process.wait(60)
    assert time.monotonic() - begin >= before - 0.5


@YEARS
def test_a_cells_time_is_as_long_as_before(own_place, the_clock, daemon, start, years):
    daemon()
    policy = with_a_spare(own_place, cell_time="8s", grace_time="1s")
    kernel = start(policy)
    client = kernel.client
    assert client.run(SEEN).ok().stdout == "True\n"
    cell = client.execute(RUNS_FOR % 3)
    client.first(cell, "stream")
    the_clock.set(years)
    run_of_it = client.finish(cell).ok()
    assert run_of_it.stdout == "begun\ndone\n"
    assert abs(year_of(run_of_it.reply) - datetime.date.today().year - years) <= 1  # so the kernel has seen it
    cell = client.execute(RUNS_FOR % 600)
    client.first(cell, "stream")
    begin = time.monotonic()
    the_clock.set(-years)
    assert client.finish(cell).content["ename"] == "CellTimeout"
    assert 7 < time.monotonic() - begin < 20
    assert client.run("6 * 7").result == "42"
    assert client.heartbeat() == b"ping"
    assert leftovers.wait_until(lambda: at_rest(kernel.pid), 20)


@YEARS
def test_a_cold_start_and_another_daemon_in_that_year(own_place, the_clock, daemon, start, years):
    """Files that were written in the other year, the daemon's settings and what it has learned, are read as ever."""
    policy = policy_of(own_place)
    for year in (years, 0, -years):
        the_clock.set(year)
        served = daemon()
        kernel = start(policy)
        assert kernel.client.run("import statistics\n6 * 7").result == "42"
        assert kernel.stop() == {}
        wait_for(own_place, lambda told: any(one["state"] == "ready" for one in told["zygotes"]) and told["pool"]["ready"], 60)
        assert run(own_place, SEEN, policy)[0]["stdout"] == "True\n"
        served.stop()
