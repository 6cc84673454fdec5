"""Lines 1-12 of the protocol list: signatures, frames, transports, headers, statuses."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from support import kernels, leftovers
from support.client import TimedOut
from support.wire import DELIMITER, pack


FLAGS = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}


def request_frames(client, kind="kernel_info_request", content=None):
    header = client.maker.header(kind)
    if kind == "execute_request":
        content = {**FLAGS, **content}
    return header["msg_id"], client.maker.frames(header, content or {})


def assert_ignored(client, request):
    """The kernel lives, and nothing at all was said about that request."""
    client.fence("shell")
    client.fence("control")
    assert client.of(request) == []


BAD_SIGNATURES = {
    "wrong": lambda good: b"0" * len(good),
    "one_digit_off": lambda good: good[:-1] + (b"0" if good[-1:] != b"0" else b"1"),
    "short": lambda good: good[:8],
    "one_digit": lambda good: good[:1],
    "empty": lambda good: b"",
    "longer": lambda good: good + b"00",
    "not_hex": lambda good: b"\xff\x00" * 32,
    "huge": lambda good: good * 1000,
}


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize("bad", BAD_SIGNATURES)
def test_01_a_bad_signature_is_dropped_and_the_kernel_lives(client, bad, channel):
    request, frames = request_frames(client)
    frames[1] = BAD_SIGNATURES[bad](frames[1])
    client.send_frames(channel, frames)
    assert_ignored(client, request)


def test_01_a_badly_signed_cell_does_not_run(client):
    request, frames = request_frames(client, "execute_request", {"code": "forged = 1"})
    frames[1] = b"0" * 64
    client.send_frames("shell", frames)
    assert client.run("'forged' in globals()").result == "False"
    assert client.of(request) == []


def test_01_the_signature_is_checked_over_all_four_parts(client):
    for place in (2, 3, 4, 5):
        request, frames = request_frames(client, "execute_request", {"code": "1"})
        frames[place] = frames[place].replace(b"}", b" }", 1)
        client.send_frames("shell", frames)
        assert_ignored(client, request)


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_02_a_replayed_message_is_dropped(client, channel):
    request, frames = request_frames(client)
    for _ in range(3):
        client.send_frames(channel, frames)
    client.finish(request)
    client.fence("shell")
    client.fence("control")
    assert len([one for one in client.of(request) if one.type == "kernel_info_reply"]) == 1


def test_02_a_cell_cannot_be_replayed(client):
    client.run("replays = 0").ok()
    _, frames = request_frames(client, "execute_request", {"code": "replays += 1"})
    client.send_frames("shell", frames)
    client.send_frames("shell", frames)
    assert client.run("replays").result == "1"


def malformed(client):
    """Frames by name; those that can be signed are signed rightly."""
    header, maker = client.maker.header("kernel_info_request"), client.maker
    good = [pack(header), b"{}", b"{}", b"{}"]

    def signed(*parts):
        return maker.frames_of_parts(list(parts))

    def with_header(**changes):
        changed = {key: value for key, value in {**maker.header("kernel_info_request"), **changes}.items()
                   if value is not ...}
        return signed(pack(changed), b"{}", b"{}", b"{}")

    deep = b"[" * 100_000 + b"]" * 100_000
    return {
        "one_empty_frame": [b""],
        "empty_frames": [b""] * 6,
        "no_delimiter": [maker.signer.sign(good), *good],
        "only_delimiter": [DELIMITER],
        "delimiter_last": [b"x", b"y", DELIMITER],
        "no_parts": [DELIMITER, maker.signer.sign([])],
        "one_part": [DELIMITER, maker.signer.sign(good[:1]), *good[:1]],
        "two_parts": [DELIMITER, maker.signer.sign(good[:2]), *good[:2]],
        "three_parts": [DELIMITER, maker.signer.sign(good[:3]), *good[:3]],
        "header_not_json": signed(b"{", b"{}", b"{}", b"{}"),
        "header_empty": signed(b"", b"{}", b"{}", b"{}"),
        "header_a_list": signed(b"[]", b"{}", b"{}", b"{}"),
        "header_null": signed(b"null", b"{}", b"{}", b"{}"),
        "header_not_utf8": signed(b'{"msg_id":"\xff"}', b"{}", b"{}", b"{}"),
        "header_deep": signed(deep, b"{}", b"{}", b"{}"),
        "no_msg_type": with_header(msg_type=...),
        "no_msg_id": with_header(msg_id=...),
        "msg_type_a_number": with_header(msg_type=5),
        "msg_type_null": with_header(msg_type=None),
        "msg_id_a_list": with_header(msg_id=[1]),
        "parent_not_json": signed(pack(maker.header("kernel_info_request")), b"x", b"{}", b"{}"),
        "parent_a_number": signed(pack(maker.header("kernel_info_request")), b"7", b"{}", b"{}"),
        "metadata_not_json": signed(pack(maker.header("kernel_info_request")), b"{}", b"{,}", b"{}"),
        "content_not_json": signed(pack(maker.header("execute_request")), b"{}", b"{}", b'{"code":'),
        "content_a_list": signed(pack(maker.header("execute_request")), b"{}", b"{}", b"[]"),
        "content_null": signed(pack(maker.header("execute_request")), b"{}", b"{}", b"null"),
        "content_not_utf8": signed(pack(maker.header("execute_request")), b"{}", b"{}", b'{"code":"\xc3\x28"}'),
        "content_deep": signed(pack(maker.header("execute_request")), b"{}", b"{}", b'{"code":' + deep + b"}"),
        "code_missing": signed(pack(maker.header("execute_request")), b"{}", b"{}", b"{}"),
        "code_a_number": signed(pack(maker.header("execute_request")), b"{}", b"{}", b'{"code":1}'),
        "flags_of_wrong_type": signed(pack(maker.header("execute_request")), b"{}", b"{}",
                                      b'{"code":"1","silent":"x","store_history":[],"user_expressions":3}'),
        "complete_without_fields": signed(pack(maker.header("complete_request")), b"{}", b"{}", b"{}"),
        "complete_cursor_negative": signed(pack(maker.header("complete_request")), b"{}", b"{}",
                                           b'{"code":"pri","cursor_pos":-5}'),
        "complete_cursor_far": signed(pack(maker.header("complete_request")), b"{}", b"{}",
                                      b'{"code":"pri","cursor_pos":99999999999}'),
        "inspect_cursor_text": signed(pack(maker.header("inspect_request")), b"{}", b"{}",
                                      b'{"code":"pri","cursor_pos":"a","detail_level":"b"}'),
        "is_complete_without_code": signed(pack(maker.header("is_complete_request")), b"{}", b"{}", b"{}"),
        "history_without_fields": signed(pack(maker.header("history_request")), b"{}", b"{}", b"{}"),
        "history_of_wrong_types": signed(pack(maker.header("history_request")), b"{}", b"{}",
                                         b'{"hist_access_type":"range","session":"a","start":[],"stop":{}}'),
        "comm_open_without_fields": signed(pack(maker.header("comm_open")), b"{}", b"{}", b"{}"),
        "comm_msg_of_wrong_types": signed(pack(maker.header("comm_msg")), b"{}", b"{}",
                                          b'{"comm_id":1,"data":"x"}'),
        "comm_info_of_wrong_type": signed(pack(maker.header("comm_info_request")), b"{}", b"{}",
                                          b'{"target_name":[]}'),
        "many_buffers": maker.frames(maker.header("kernel_info_request"), {}, buffers=[b"x"] * 2000),
    }


@pytest.mark.ipykernel_fails("its control thread ends on some of them")
@pytest.mark.parametrize("channel", ["shell", "control"])
def test_03_malformed_messages_never_end_the_kernel(client, kernel, channel):
    for name, frames in malformed(client).items():
        client.send_frames(channel, frames)
        try:
            client.fence("shell", timeout=20)
            client.fence("control", timeout=20)
        except TimedOut as late:
            raise AssertionError("no answer any more after %r; the kernel said: %s"
                                 % (name, kernel.said()[-2000:])) from late
        assert kernel.alive(), name
    assert client.run("1 + 1").result == "2"


def test_03_what_is_no_message_gets_no_reply(client):
    frames = malformed(client)
    before = len(client.log)
    for name in ("no_delimiter", "only_delimiter", "three_parts", "header_not_json", "header_a_list"):
        client.send_frames("shell", frames[name])
    fence = client.fence("shell")
    assert [one for one in client.log[before:] if one.channel == "shell" and one.parent_id != fence.id] == []


def test_03_malformed_frames_on_stdin_are_dropped(client):
    for frames in malformed(client).values():
        client.send_frames("stdin", frames)
    assert client.run("1 + 1").result == "2"


def test_03_leading_identities_are_tolerated(client):
    """Whatever stands before the delimiter belongs to the route."""
    request, frames = request_frames(client)
    client.send_frames("shell", [b"a-route", *frames])
    assert client.run("2").result == "2"


def test_04_an_empty_key_means_no_authentication(start):
    kernel = start(info=kernels.connection_info(key=""))
    run = kernel.client.run("6 * 7")
    assert run.result == "42"
    assert run.reply.signature == b""


def test_04_without_a_scheme_it_is_hmac_sha256(start, place):
    info = kernels.connection_info(key="secret")
    written = {name: value for name, value in info.items() if name != "signature_scheme"}
    assert start(info=info, written=written).client.run("1").result == "1"


@pytest.mark.cellblock_only("how it refuses")
def test_04_an_unknown_scheme_is_refused_in_words(start):
    info = kernels.connection_info(key="secret")
    kernel = start(info=info, written={**info, "signature_scheme": "hmac-rot13"}, wait=False)
    assert kernel.process.wait(20) != 0
    assert "hmac-rot13" in kernel.said()


@pytest.mark.parametrize("code", ["import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass",
                                  "sum(range(10**8))"], ids=["python", "c"])
def test_05_the_heartbeat_echoes_during_a_long_cell(client, code):
    request = client.execute(code)
    client.first(request, "execute_input")
    for number in range(20):
        data = b"beat %d" % number
        assert client.heartbeat(data) == data
    assert not client.of(request)[-1].state == "idle", "the cell was over too soon to tell"
    client.finish(request)


def test_05_the_heartbeat_echoes_any_bytes(client):
    for data in (b"", b"\0\xff" * 5, b"x" * 100_000):
        assert client.heartbeat(data) == data


@pytest.mark.cellblock_only("engines are its own")
def test_05_the_heartbeat_echoes_while_an_engine_hangs(start, place):
    """Docker's client waits for a daemon that doesn't answer; the ports are there nevertheless."""
    docker = place.file("tools/docker", "#!/bin/sh\necho $$ > %s/asked\nexec sleep 100\n" % place.root)
    docker.chmod(0o755)
    place.root.chmod(0o777)
    kernel = start(policy=place.policy("hangs", engine=["docker", "native"]), wait=False,
                   environment={"PATH": "%s:%s" % (docker.parent, place.environment()["PATH"])})
    leftovers.wait_until((place.root / "asked").exists, 20)
    hanging = int((place.root / "asked").read_text())
    client = kernels.Client(kernel.info)
    kernel.clients.append(client)
    assert client.heartbeat(b"alive", timeout=10) == b"alive"
    assert "sleep" in leftovers.command_line(hanging), "Docker's client wasn't hanging any more"
    os.kill(hanging, signal.SIGKILL)
    client.ready()
    assert client.run("6 * 7").result == "42"


def test_06_ipc_transport(start, place):
    info = kernels.connection_info("ipc", place=place)
    kernel = start(info=info)
    assert kernel.client.run("6 * 7").result == "42"
    assert kernel.client.heartbeat() == b"ping"


@pytest.mark.parametrize("port", kernels.PORTS)
@pytest.mark.cellblock_only("ipykernel's own messages differ")
def test_06_an_occupied_port_is_a_clear_failure(start, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        kernel = start(info={**kernels.connection_info(), port: number}, wait=False)
        assert kernel.process.wait(20) != 0
        assert str(number) in kernel.said(), kernel.said()


def test_07_headers_are_whole(client):
    client.run("print(1); 2")
    client.run("1/0")
    client.ask("kernel_info_request", channel="control")
    ids = [one.header["msg_id"] for one in client.log]
    assert len(set(ids)) == len(ids), "msg_id is not unique"
    assert len({one.header["session"] for one in client.log}) == 1
    for one in client.log:
        assert isinstance(one.header["username"], str)
        assert re.fullmatch(r"5\.\d+", one.header["version"])
        assert {"msg_id", "session", "username", "date", "msg_type", "version"} <= set(one.header)


def test_07_dates_are_utc_with_six_digits(client):
    before = datetime.datetime.now(datetime.timezone.utc)
    client.run("print(1)")
    after = datetime.datetime.now(datetime.timezone.utc)
    for one in client.log:
        date = one.header["date"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)", date)
        read = datetime.datetime.fromisoformat(date.replace("Z", "+00:00"))
        assert before - datetime.timedelta(seconds=1) <= read <= after + datetime.timedelta(seconds=1)


def test_07_the_parent_header_is_the_requests_own(client):
    request = client.execute("print('x'); 1/0")
    run = client.finish(request)
    for one in run.messages:
        assert one.parent["session"] == client.maker.session
        assert one.parent["msg_type"] == "execute_request"
        assert one.parent["username"] == client.maker.username


def test_07_sessions_of_two_kernels_differ(start):
    sessions = [start().client.fence().reply.header["session"] for _ in range(2)]
    assert sessions[0] != sessions[1]


@pytest.mark.ipykernel_fails("a subscriber may come too late for it")
@pytest.mark.parametrize("wait", [0, 1])
def test_08_one_starting_status_with_no_parent(start, wait):
    kernel = start(wait=False)
    time.sleep(wait)  # early or late, the first subscriber hears it
    client = kernels.Client(kernel.info)
    kernel.clients.append(client)
    client.wait(lambda: [one for one in client.log if one.state == "starting"], "starting")
    client.ask("kernel_info_request")
    found = [one for one in client.log if one.state]
    assert [one.state for one in found] == ["starting", "busy", "idle"]
    assert found[0].parent == {}


def test_08_starting_is_not_told_twice(client):
    subscriber = client.subscribe(b"")
    try:
        states = []
        while "idle" not in states:
            while not subscriber.poll(500):  # a subscription takes its time
                client.run("pass").ok()
            message = client.read(subscriber.recv_multipart())
            states += [message.content["execution_state"]] if message.type == "status" else []
        assert "starting" not in states
    finally:
        subscriber.close(0)


@pytest.mark.ipykernel_fails("6.17 has no JEP 65")
@pytest.mark.parametrize("topic", [b"", b"a topic"])
def test_09_a_subscription_is_welcomed(client, topic):
    subscriber = client.subscribe(topic)
    try:
        assert subscriber.poll(10_000), "no welcome"
        frames = subscriber.recv_multipart()
        message = client.read(frames)
        assert message.type == "iopub_welcome"
        assert message.content == {"subscription": topic.decode()}
        assert message.parent == {}
        assert message.idents[0] == topic if topic else message.idents
    finally:
        subscriber.close(0)


@pytest.mark.ipykernel_fails("6.17 has no JEP 65")
def test_09_the_welcome_comes_during_a_cell_too(client):
    request = client.execute("import time; time.sleep(20)")
    client.first(request, "execute_input")
    subscriber = client.subscribe(b"")
    assert subscriber.poll(5_000), "no welcome while the kernel was busy"
    subscriber.close(0)
    client.send("control", "interrupt_request")
    client.finish(request)


def test_10_an_unknown_message_type_is_busy_and_idle_alone(client):
    request = client.send("shell", "no_such_request", {"x": 1})
    run = client.finish(request, reply=False)
    client.fence()
    assert client.of(request) == run.iopub
    assert run.states == ["busy", "idle"]


@pytest.mark.parametrize("code", [
    "import os; os.write(1, b'a\\xff\\xfe\\xc3b\\n')",
    "import sys; sys.stdout.buffer.write(b'a\\xffb'); sys.stdout.flush()",
    "import subprocess; subprocess.run(['printf', r'a\\377b'])",
], ids=["descriptor", "buffer", "child"])
def test_11_invalid_utf8_in_output_is_replaced(client, code):
    run = client.run(code)
    text = run.stdout
    if kernels.is_ipykernel() and not text:
        pytest.xfail("ipykernel's stdout has no such way")
    assert run.status == "ok" and text.startswith("a") and "b" in text and "\N{REPLACEMENT CHARACTER}" in text


@pytest.mark.ipykernel_fails("6.17 then sends messages that aren't UTF-8")
@pytest.mark.parametrize("code", [r"print('a\udcffb')", r"'a\ud800b'", r"raise ValueError('\udcff')",
                                  r"display({'text/plain': 'x\udcff'}, raw=True)"],
                         ids=["print", "result", "error", "display"])
def test_11_lone_surrogates_are_never_fatal(client, code):
    client.run(code)
    assert client.run("'alive'").result == "'alive'"


@pytest.mark.ipykernel_fails("6.17 reads descriptor 1 late, and in pieces")
def test_11_characters_split_between_writes_are_whole(client):
    run = client.run("import os\nfor byte in 'é😀€\\n'.encode(): os.write(1, bytes([byte]))")
    assert run.stdout == "é😀€\n"


@pytest.mark.parametrize("left_out", ["ip", "transport", "signature_scheme", "kernel_name"])
def test_12_what_the_connection_file_leaves_out_has_a_default(start, left_out):
    info = kernels.connection_info()
    written = {name: value for name, value in info.items() if name != left_out}
    assert start(info=info, written=written).client.run("1").result == "1"


def test_12_empty_and_unknown_fields_are_tolerated(start):
    info = kernels.connection_info()
    written = {**info, "kernel_name": "", "jupyter_session": "/a/b.ipynb", "resource_limits": None,
               "something": [1, {"new": True}]}
    assert start(info=info, written=written).client.run("1").result == "1"


def test_12_extra_arguments_are_tolerated(start):
    kernel = start(extra=["--HistoryManager.hist_file=:memory:"])
    assert kernel.client.run("1").result == "1"


@pytest.mark.cellblock_only("its words")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"shell_port": "x"}', '{"shell_port": 99999999}'])
def test_12_a_broken_connection_file_is_a_clear_failure(program, place, text):
    path = place.file("broken.json", text)
    done = subprocess.run(place.as_user([program, "kernel", "-f", str(path)]), capture_output=True, text=True,
                          timeout=20, env=place.environment(), check=False)
    assert done.returncode not in (0, -6, -11) and str(path) in done.stderr, (done.returncode, done.stderr)


@pytest.mark.cellblock_only("its words")
def test_12_a_missing_connection_file_is_a_clear_failure(program, place):
    done = subprocess.run([program, "kernel", "-f", "/nowhere/x.json"], capture_output=True, text=True,
                          timeout=20, env=place.environment(), check=False)
    assert done.returncode > 0 and "/nowhere/x.json" in done.stderr


@pytest.mark.cellblock_only("whether it stays readable for others is the client's affair")
def test_12_the_connection_file_is_left_alone(kernel):
    assert json.loads(kernel.file.read_text()) == kernel.info
    assert os.path.exists(kernel.file)
