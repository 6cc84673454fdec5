"""Lines 13-16 and 60-62: kernel_info, connect, what is advertised."""

import re

import pytest
from support.client import TimedOut


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_13_kernel_info_is_answered(client, channel):
    run = client.ask("kernel_info_request", channel=channel)
    assert run.reply.type == "kernel_info_reply" and run.reply.channel == channel
    assert run.states == ["busy", "idle"]


def test_13_kernel_info_is_answered_in_mid_cell_on_control(client):
    cell = client.execute("while True: pass")
    client.first(cell, "execute_input")
    for _ in range(3):
        assert client.ask("kernel_info_request", channel="control", timeout=10).status == "ok"
    assert not [one for one in client.of(cell) if one.type == "execute_reply"]
    client.send("control", "interrupt_request")
    assert client.finish(cell).status == "error"


def test_13_status_of_control_in_mid_cell_has_its_own_parent(client):
    cell = client.execute("print('a', flush=True); import time; time.sleep(60)")
    client.first(cell, "stream")
    run = client.ask("kernel_info_request", channel="control")
    assert run.states == ["busy", "idle"]
    client.send("control", "interrupt_request")
    assert client.finish(cell).states == ["busy", "idle"]


def test_14_language_info_is_pythons(client):
    info = client.ask("kernel_info_request").content
    version = client.run("import sys; print(sys.version.split()[0])").stdout.strip()
    language = info["language_info"]
    assert language["name"] == "python" and language["version"] == version
    assert language["mimetype"] == "text/x-python" and language["file_extension"] == ".py"
    assert language["codemirror_mode"]["name"] == "ipython" and language["codemirror_mode"]["version"] == 3
    assert language["pygments_lexer"] == "ipython3" and language["nbconvert_exporter"] == "python"


def test_14_the_rest_of_kernel_info(client):
    info = client.ask("kernel_info_request").content
    assert info["status"] == "ok"
    assert re.fullmatch(r"5\.\d+", info["protocol_version"])
    assert re.match(r"\d+\.\d+\.\d+", info["implementation_version"])
    assert info["implementation"] and "Python" in info["banner"]
    assert all({"text", "url"} <= set(link) for link in info["help_links"]) and info["help_links"]


@pytest.mark.cellblock_only("its name")
def test_14_the_implementation_is_cellblock(client, program):
    import subprocess
    info = client.ask("kernel_info_request").content
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    assert info["implementation"] == "cellblock" and info["implementation_version"] in told
    assert isinstance(info["supported_features"], list)


def test_15_connect_request_is_answered(client):
    run = client.ask("connect_request")
    content = run.content
    assert run.reply.type == "connect_reply"
    for name in ("shell", "iopub", "stdin", "hb", "control"):
        key = name + "_port" if name + "_port" in content else name
        if name == "control" and key not in content:
            continue
        assert content[key] == client.info[name + "_port"]


FEATURES = {"debugger": ("debug_request", {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}),
            "kernel subshells": ("create_subshell_request", {})}


def test_16_only_true_features_are_advertised(client):
    info = client.ask("kernel_info_request").content
    for feature in info.get("supported_features", ()):
        assert feature in FEATURES, "what is %r?" % feature
        kind, content = FEATURES[feature]
        assert client.ask(kind, content, channel="control", timeout=20).reply is not None


@pytest.mark.cellblock_only("optional lines, not built yet")
def test_60_usage_is_answered_or_left_alone(client):
    """An optional request: a reply with the truth, or busy and idle alone."""
    request = client.send("control", "usage_request")
    run = client.finish(request, reply=False)
    assert run.states == ["busy", "idle"]
    client.fence("control")
    replies = [one for one in client.of(request) if one.channel == "control"]
    assert all(one.type == "usage_reply" for one in replies)


@pytest.mark.cellblock_only("optional lines, not built yet")
@pytest.mark.parametrize("feature", FEATURES)
def test_61_62_debugger_and_subshells_are_not_advertised(client, feature):
    info = client.ask("kernel_info_request").content
    assert feature not in info.get("supported_features", [])
    assert not info.get("debugger")
    kind, content = FEATURES[feature]
    request = client.send("control", kind, content)
    try:
        reply = client.finish(request, timeout=1).reply
    except TimedOut:
        return
    assert reply.content["status"] == "error"
