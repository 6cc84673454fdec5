"""One bench an engine, and the table at the end."""

import pytest

from support import kernels
from support.daemons import Daemon

from . import engines
from .bench import Bench

results = {}  # {engine: {check: word}}
absent = {}   # {engine: why}


@pytest.fixture(scope="session", autouse=True)
def clusters_end():
    yield
    while engines.clusters:
        engines.clusters.pop().stop()


@pytest.fixture(scope="module")
def engine(request, module_place):
    name, _, warm = request.param.partition(" ")
    place = kernels.Place(module_place.user) if warm else module_place  # the engine's own servers may run in both
    try:
        prepared = engines.prepare(name, place)
    except engines.NotHere as why:
        if warm:
            place.remove()
        absent[request.param] = str(why)
        pytest.skip("%s: %s" % (name, why))
    daemon = Daemon(place) if warm else None
    bench = Bench(name, place, prepared, daemon)
    yield bench
    left = bench.stop()
    if daemon:
        daemon.stop()
    prepared.close()
    if warm:
        place.remove()
    assert not left, "outlived the kernel: %s" % left


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "check" not in parameters or (report.when != "call" and report.passed):
        return
    word = {"passed": "yes", "failed": "NO", "skipped": "-"}[report.outcome]
    results.setdefault(parameters["engine"], {})[parameters["check"].__name__] = word


def pytest_terminal_summary(terminalreporter):
    if not results:
        return
    names = list(results)
    rows = dict.fromkeys(check for done in results.values() for check in done)
    width = max(map(len, rows)) + 2
    terminalreporter.section("engines: yes, NO, or - where it isn't tried")
    terminalreporter.line("".ljust(width) + "".join(name.ljust(17) for name in names))
    for row in rows:
        terminalreporter.line(row.ljust(width) + "".join(results[name].get(row, "").ljust(17) for name in names))
    for name, why in absent.items():
        terminalreporter.line("%s isn't here: %s" % (name, why))
