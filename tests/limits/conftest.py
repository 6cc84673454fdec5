"""Kernels with short limits, for root and for an ordinary user."""

import pytest
from support import kernels, leftovers
from support.daemons import ask, status
from support.shared import Shared


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "limits":
            item.add_marker(pytest.mark.cellblock_only("limits are a matter of its policy"))


@pytest.fixture
def own_place(user_place):
    """A place of the test's own, as the user at hand."""
    made = kernels.Place(user_place.user)
    yield made
    made.remove()


@pytest.fixture
def place_with_daemon(own_place):
    """Where kernels bring a daemon about, as for somebody who has configured nothing."""
    own_place.warm = True
    yield own_place
    ask(own_place, "stop")
    assert leftovers.wait_until(lambda: not status(own_place), 10)


@pytest.fixture
def start_as(user_place):
    """start_as(policy={...}, **options): a kernel of the test's own, as the user at hand."""
    started = []

    def make(policy=None, place=user_place, **options):
        if policy is not None:
            options["policy"] = place.policy("test-%d" % len(started), **policy)
        started.append(kernels.Kernel(place, **options))
        return started[-1]

    yield make
    left = {}
    for one in started:
        left.update(one.stop())
    assert not left, "outlived the kernel: %s" % left


def shared_with(limits):
    """A module's fixture: one kernel with these limits for each user."""
    @pytest.fixture(scope="module")
    def fixture(user_place):
        made = Shared(user_place, policy=user_place.policy("limits", limits=limits))
        yield made
        left = made.stop()
        assert not left, "outlived the kernel: %s" % left

    return fixture
