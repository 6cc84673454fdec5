"""Shared fixtures: the program, private places, kernels that are stopped for certain, leftovers."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support import kernels, leftovers  # noqa: E402
from support.either_user import left_to_the_other  # noqa: E402
from support.patience import SLOWNESS  # noqa: E402
from support.shared import lasting  # noqa: E402

# Sandboxes start cold, but where a test asks for a daemon of its own: none is to be left behind.
os.environ.setdefault("CELLBLOCK_DAEMON", "0")

TEST_SECONDS = 150 * SLOWNESS
MINE = ("protocol", "clients", "limits", "matrix")
OF_PYPI = ("browser", "newest")  # the first of their tests may wait for the packages


def pytest_configure(config):
    config.addinivalue_line("markers", "ipykernel_fails(reason): ipykernel 6.17 is known to fail here")
    config.addinivalue_line("markers", "cellblock_only(reason): means nothing for another kernel")
    config.addinivalue_line("markers", "seconds(n): may take longer than the usual bound")
    config.addinivalue_line("markers", "console_says(pattern): the browser's console may hold such errors")
    config.addinivalue_line("markers", "long: only with tests/run --long")
    config.addinivalue_line("markers", "both_users: one of root and an ordinary user can't do this test, so it isn't left to either")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name in OF_PYPI:
            item.add_marker(pytest.mark.seconds(1500))
        if item.get_closest_marker("long") and not os.environ.get("CELLBLOCK_LONG_TESTS"):
            item.add_marker(pytest.mark.skip(reason="a long suite: tests/run --long"))
        if left_to_the_other(item):
            item.add_marker(pytest.mark.skip(reason="root or an ordinary user, whichever; both: tests/run --long"))
        if kernels.is_ipykernel():
            for mark in item.iter_markers("ipykernel_fails"):
                item.add_marker(pytest.mark.xfail(reason="ipykernel: " + mark.args[0], strict=False))
            for mark in item.iter_markers("cellblock_only"):
                item.add_marker(pytest.mark.skip(reason="of cellblock alone: " + mark.args[0]))
        elif item.path.parent.name in MINE and not os.access(kernels.PROGRAM, os.X_OK):
            item.add_marker(pytest.mark.skip(reason="%s isn't built" % kernels.PROGRAM))


# --- no test hangs

def _bounded(item):
    mark = item.get_closest_marker("seconds")
    seconds = mark.args[0] * SLOWNESS if mark else TEST_SECONDS

    def late(*_):
        pytest.fail("the test took longer than %d s" % seconds)  # no Exception: a test may expect one

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from _bounded(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from _bounded(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from _bounded(item)


# --- nothing is left behind

def is_one_of_several(config):
    return hasattr(config, "workerinput")


@pytest.fixture(scope="session", autouse=True)
def nothing_left(request):
    """Of several workers each answers for its processes; the rest is looked for when all are done."""
    leftovers.become_subreaper()
    before = leftovers.Snapshot()
    kept = set(leftovers.descendants(os.getpid()))
    yield
    leftovers.wait_until(lambda: not leftovers.reap_adopted(kept), 60)  # a relay may take half of it where a runtime hangs
    left = {pid: leftovers.what_it_does(pid) for pid in leftovers.reap_adopted(kept)}
    leftovers.send(signal.SIGKILL, left)
    assert not left, "processes outlived their kernels: %s" % left
    if not is_one_of_several(request.config):
        assert not before.wait_clean(), "left behind: %s" % before.wait_clean(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtestloop(session):
    """In the process that has the workers: what they left counts as an error, told like a test's."""
    before = leftovers.Snapshot()
    ended = yield
    has_workers = session.config.pluginmanager.hasplugin("dsession")
    left = before.wait_clean() if has_workers and not ended.excinfo else {}
    if left:
        session.config.hook.pytest_runtest_logreport(report=pytest.TestReport(
            "tests/conftest.py::nothing_left", ("tests/conftest.py", None, "nothing_left"), {}, "failed",
            "left behind: %s" % left, "teardown"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from support.lanes import Lanes
    return Lanes(config, log)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_newgateway(gateway):
    from support.lanes import keep_main_thread_for_tests
    keep_main_thread_for_tests(gateway)


# --- the program and its users

@pytest.fixture(scope="session")
def program():
    if not os.access(kernels.PROGRAM, os.X_OK):
        pytest.skip("%s isn't built" % kernels.PROGRAM)
    return kernels.PROGRAM


def users():
    """Root, where we are root, and an ordinary user; else whoever we are."""
    if os.environ.get("CELLBLOCK_TEST_USER"):
        return [os.environ["CELLBLOCK_TEST_USER"]]
    return [None, kernels.ORDINARY_USER] if os.getuid() == 0 else [None]


def user_name(user):
    return user or ("root" if os.getuid() == 0 else "self")


def pytest_generate_tests(metafunc):
    """A test or fixture that takes `any_user` runs for root and for an ordinary user alike."""
    if "any_user" in metafunc.fixturenames:
        metafunc.parametrize("any_user", users(), ids=user_name, scope="module", indirect=True)


@pytest.fixture(scope="module")
def any_user(request):
    return request.param


@pytest.fixture(scope="session")
def one_user():
    """$CELLBLOCK_TEST_USER, or None for whoever runs the tests."""
    return os.environ.get("CELLBLOCK_TEST_USER") or None


# --- places and kernels

@pytest.fixture
def place(one_user):
    made = kernels.Place(one_user)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def module_place(one_user):
    made = kernels.Place(one_user)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def user_place(any_user):
    """Of root, and of an ordinary user."""
    made = kernels.Place(any_user)
    yield made
    made.remove()


@pytest.fixture
def start(place):
    """start(**options) gives a Kernel of the test's own."""
    started = []

    def make(**options):
        started.append(kernels.Kernel(options.pop("place", place), **options))
        return started[-1]

    yield make
    left = {}
    for one in started:
        left.update(one.stop())
    assert not left, "outlived the kernel: %s" % left


def options_of(module, place):
    """What a module says of its kernels: OUTPUTS, the policy's `outputs`."""
    outputs = getattr(module, "OUTPUTS", None)
    return {"policy": place.policy("outputs", outputs=outputs)} if outputs else {}


@pytest.fixture(scope="module")
def shared(module_place, request):
    yield from lasting(module_place, **options_of(request.module, module_place))


@pytest.fixture
def kernel(shared):
    return shared.kernel()


@pytest.fixture
def client(kernel):
    return kernel.client
