"""The level `no-namespaces` has no sockets, so debugpy can't listen: no debugger is offered, and whoever asks learns why."""

import pytest
from support import kernels
from support.client import Client
from support.debugging import Debug, needs_debugpy

pytestmark = needs_debugpy

WHY = "no sockets for debugpy to listen on"


@pytest.fixture(scope="module")
def place(any_user):
    made = kernels.Place(any_user)
    yield made
    made.remove()


def contained(place, **options):
    policy = place.policy("no-namespaces", require="no-namespaces", debugger=True)
    command = [kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy", policy]
    return kernels.Kernel(place, command=[*kernels.lesser_host(kernels.NO_NAMESPACES), *command], **options)


def test_there_is_no_debugger_and_the_reply_says_why(place):
    kernel = contained(place)
    try:
        debug = Debug(kernel)
        info = kernel.client.ask("kernel_info_request").content
        assert info["supported_features"] == [] and info["debugger"] is False
        for command in ("debugInfo", "initialize", "inspectVariables"):
            assert WHY in debug.say(command, ok=False, timeout=20)["message"]
        assert kernel.client.run("6 * 7").result == "42"
    finally:
        assert not kernel.stop()


def test_who_asks_before_the_sandbox_is_ready_learns_it_too(place):
    kernel = contained(place, wait=False)
    try:
        client = Client(kernel.info)
        kernel.clients.append(client)
        request = client.send("control", "debug_request", {"type": "request", "seq": 1, "command": "debugInfo"})
        assert WHY in client.first(request, "debug_reply", timeout=25).content["message"]
    finally:
        assert not kernel.stop()
