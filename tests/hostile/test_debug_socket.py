"""A worker that lies on its debugger's socket. As on the other one: what breaks a rule ends the sandbox, and no more than that."""

import pytest
from support.shared import lasting

PROLOGUE = """
import gc, json, os, struct, time
from cellblock_worker.debug_channel import DebugChannel
gc.unfreeze()  # what a start has made is among the objects again
channel = next(one for one in gc.get_objects() if type(one) is DebugChannel)
def send(data):
    while data: data = data[os.write(channel.fileno(), data[:1 << 16]):]
def frame(header, *buffers):
    header = json.dumps(header).encode()
    send(struct.pack('>II', len(header), len(buffers)) + b''.join(struct.pack('>I', len(one)) for one in buffers)
         + header + b''.join(buffers))
def reply(number, content=b'{}'): frame({'type': 'debug_reply', 'request': number, 'content': 0}, content)
def event(name, content=None):
    frame({'type': 'debug_event', 'content': 0}, content or json.dumps({'type': 'event', 'event': name, 'body': {}}).encode())
"""

VIOLATIONS = {
    "garbage": "send(bytes(range(256)) * 16)",
    "a_header_of_a_megabyte": "send(struct.pack('>II', 1 << 20, 0))",
    "a_buffer_of_a_gigabyte": "send(struct.pack('>III', 2, 1, 1 << 30) + b'{}')",
    "many_buffers": "send(struct.pack('>II', 2, 2))",
    "an_unknown_type": "frame({'type': 'stream', 'cell': 1, 'name': 'stdout', 'text': 0}, b'x')",
    "a_reply_never_asked_for": "reply(1_000_000)",
    "a_reply_that_is_no_json": "reply(1, b'{]')",
    "an_event_that_is_none": "event('', b'{}')",
    "an_event_of_great_depth": "event('', b'{\"type\": \"event\", \"body\": ' + b'[' * 5000 + b']' * 5000 + b'}')",
    "there_without_its_version": "frame({'type': 'debugger', 'available': True})",
    "a_flood_of_stops": "[event('stopped') for _ in range(5000)]",
}

NOTHING = {
    "a_flood_of_events": "[event('thread') for _ in range(20_000)]",
    "half_a_frame": "send(struct.pack('>II', 100, 0) + b'{')",
    "the_socket_closed": "os.close(channel.fileno())",
    "is_there_or_not": "frame({'type': 'debugger', 'available': True, 'python': '3.11.2'})",
}


@pytest.fixture(scope="module")
def liar(module_place):
    yield from lasting(module_place, policy=module_place.policy("debug-liars", debugger=True, limits={
        "cell_time": "10s", "grace_time": "500ms", "memory": "512MiB"}))


def lie(liar, code):
    kernel = liar.kernel()
    client = kernel.client
    client.run("import os; os._exit(0)")  # what an earlier lie left goes with its worker
    run = client.run(PROLOGUE + code + "\ntime.sleep(0.5)", allow_stdin=False)
    for _ in range(2):  # the cell after it may be the one that hears of it
        after = client.run("6 * 7")
        if after.status == "ok":
            break
    assert after.result == "42"
    assert kernel.alive() and kernel.peak_memory() < 200 << 20
    return run, [one for one in client.log if one.type == "debug_event"]


@pytest.mark.parametrize("name", VIOLATIONS)
def test_ends_the_sandbox(liar, name):
    run, _ = lie(liar, VIOLATIONS[name])
    assert run.content.get("ename") == "ProtocolViolation", run.content


@pytest.mark.parametrize("name", NOTHING)
def test_means_nothing(liar, name):
    run, events = lie(liar, NOTHING[name])
    assert run.status == "ok", run.content
    assert len(events) < 2000


def test_nobody_stops_the_clock_without_a_client(liar):
    run, _ = lie(liar, "event('stopped')\ntime.sleep(60)")
    assert run.content.get("ename") == "CellTimeout", run.content


def test_a_request_to_a_worker_that_closed_its_socket_is_answered(liar):
    lie(liar, NOTHING["the_socket_closed"])
    client = liar.kernel().client
    request = client.send("control", "debug_request", {"type": "request", "seq": 7, "command": "debugInfo"})
    reply = client.finish(request, timeout=20).reply
    assert reply.content["success"] is False and reply.content["request_seq"] == 7
