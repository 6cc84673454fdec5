"""Lines 50-53: comms and widgets."""

import uuid

import pytest

OUTPUTS = {"comms": ["test-target", "jupyter.widget", "jupyter.widget.control", "front", "look", "other-target"]}

TARGET = """
got = []
def opened(comm, message):
    global last
    last = comm
    comm.on_msg(lambda m: got.append((m['content']['data'], [bytes(b) for b in m.get('buffers', [])]))
                or comm.send({'echo': m['content']['data']}, buffers=m.get('buffers', [])))
    comm.on_close(lambda m: got.append('closed'))
    comm.send({'hello': message['content']['data']}, buffers=message.get('buffers', []))
get_ipython().kernel.comm_manager.register_target('test-target', opened)
"""
CREATE = "try:\n    from comm import create_comm\nexcept ImportError:\n    from ipykernel.comm import Comm as create_comm\n"


def opened_by_us(client, target="test-target", data=None, buffers=()):
    comm = uuid.uuid4().hex
    run = client.finish(client.send("shell", "comm_open", {"comm_id": comm, "target_name": target,
                                                           "data": data or {}}, buffers=buffers), reply=False)
    return comm, run


def test_50_a_comm_opened_by_the_client(client):
    client.run(TARGET).ok()
    comm, run = opened_by_us(client, data={"n": 2 ** 70}, buffers=[b"\x00\xff", b""])
    hello, = run.of("comm_msg")
    assert hello.content["comm_id"] == comm and hello.content["data"] == {"hello": {"n": 2 ** 70}}
    assert hello.buffers == [b"\x00\xff", b""]
    run = client.finish(client.send("shell", "comm_msg", {"comm_id": comm, "data": {"a": "😀"}},
                                    buffers=[bytes(range(256))]), reply=False)
    echo, = run.of("comm_msg")
    assert echo.content["data"] == {"echo": {"a": "😀"}} and echo.buffers == [bytes(range(256))]
    assert run.states == ["busy", "idle"]
    client.finish(client.send("shell", "comm_close", {"comm_id": comm, "data": {}}), reply=False)
    assert client.run("got[-1]").result == "'closed'"
    assert client.run("len(got[0][1][0])").result == "256"


def test_50_a_comm_opened_by_the_cell(client):
    run = client.run(CREATE + "c = create_comm(target_name='front', data={'x': 1}, metadata={'m': 1}, buffers=[b'z'])\n"
                     "replies = []\nc.on_msg(lambda m: replies.append(m['content']['data']))").ok()
    opened, = run.of("comm_open")
    assert opened.content["target_name"] == "front" and opened.content["data"] == {"x": 1}
    assert opened.metadata.get("m") == 1 and opened.buffers == [b"z"]
    comm = opened.content["comm_id"]
    client.finish(client.send("shell", "comm_msg", {"comm_id": comm, "data": {"y": 2}}), reply=False)
    assert client.run("replies").result == "[{'y': 2}]"
    sent, = client.run("c.send({'z': 3}, metadata={'k': 'v'})").of("comm_msg")
    assert sent.content["comm_id"] == comm and sent.content["data"] == {"z": 3} and sent.metadata.get("k") == "v"
    closed, = client.run("c.close({'bye': 1})").of("comm_close")
    assert closed.content["comm_id"] == comm and closed.content["data"] == {"bye": 1}


def test_50_output_of_a_handler_has_the_messages_parent(client):
    client.run("def talks(comm, m):\n    comm.on_msg(lambda m: print('handled'))\n"
               "get_ipython().kernel.comm_manager.register_target('talks', talks)").ok()
    comm, _ = opened_by_us(client, "talks")
    run = client.finish(client.send("shell", "comm_msg", {"comm_id": comm, "data": {}}), reply=False)
    assert run.stdout == "handled\n"


def test_50_a_failing_handler_harms_nothing(client):
    client.run("def fails(comm, m):\n    comm.on_msg(lambda m: 1/0)\n"
               "get_ipython().kernel.comm_manager.register_target('fails', fails)").ok()
    comm, _ = opened_by_us(client, "fails")
    run = client.finish(client.send("shell", "comm_msg", {"comm_id": comm, "data": {}}), reply=False)
    assert run.states == ["busy", "idle"]
    assert client.run("1").result == "1"


def test_50_messages_to_unknown_comms_are_ignored(client):
    for kind in ("comm_msg", "comm_close"):
        run = client.finish(client.send("shell", kind, {"comm_id": "nobody", "data": {}}), reply=False)
        assert run.states == ["busy", "idle"]
    assert client.run("1").result == "1"


def test_51_an_unknown_target_is_closed(client):
    comm, run = opened_by_us(client, "no-such-target")
    closed, = run.of("comm_close")
    assert closed.content["comm_id"] == comm


def test_52_comm_info_with_and_without_a_target(client):
    client.run(TARGET).ok()
    client.run("get_ipython().kernel.comm_manager.register_target('other-target', opened)").ok()
    one, _ = opened_by_us(client)
    two, _ = opened_by_us(client, "other-target")
    reply = client.ask("comm_info_request", {}).content
    assert reply["status"] == "ok"
    assert reply["comms"][one] == {"target_name": "test-target"} and two in reply["comms"]
    some = client.ask("comm_info_request", {"target_name": "other-target"}).content["comms"]
    assert two in some and one not in some
    assert client.ask("comm_info_request", {"target_name": "no-such-target"}).content["comms"] == {}


# --- 53: ipywidgets

@pytest.fixture
def widgets(client):
    if client.run("import ipywidgets").status != "ok":
        pytest.skip("the Python under test has no ipywidgets that can be imported")
    return client


def state_of(opened):
    data = opened.content["data"]
    return data.get("state", data)


def test_53_a_widget_opens_its_comms_and_follows_the_client(widgets):
    run = widgets.run("slider = ipywidgets.IntSlider(value=3)\nslider").ok()
    assert len(run.of("comm_open")) >= 3
    result = run.of("execute_result", "display_data")
    assert any("application/vnd.jupyter.widget-view+json" in one.content["data"] for one in result)
    slider = next(one for one in run.of("comm_open") if state_of(one).get("value") == 3)
    for method in ("backbone", "update"):  # of ipywidgets 6, and of 7 and later
        widgets.finish(widgets.send("shell", "comm_msg", {
            "comm_id": slider.content["comm_id"],
            "data": {"method": method, "sync_data": {"value": 9}, "state": {"value": 9}, "buffer_paths": []}}),
            reply=False)
    assert widgets.run("slider.value").result == "9"


def test_53_progress_bars(widgets):
    run = widgets.run("bar = ipywidgets.IntProgress(max=3)\ndisplay(bar)\nfor n in range(3): bar.value = n + 1").ok()
    assert len(run.of("comm_msg")) >= 3


def test_53_interact_runs_the_function(widgets):
    run = widgets.run("@ipywidgets.interact(x=(0, 10))\ndef shown(x=4):\n    print('x is', x)").ok()
    assert run.of("comm_open")


def test_53_a_comm_message_is_a_parent_too(client):
    """What ipywidgets' Output asks the kernel for, in a callback as in a cell."""
    run = client.run("from ipykernel.comm import Comm\ndef look(message):\n    print(get_ipython().kernel.get_parent()"
                     "['header']['msg_id'])\n"
                     "get_ipython().kernel.comm_manager.register_target('look', lambda comm, _: comm.on_msg(look))\n"
                     "print(get_ipython().kernel.get_parent()['header']['msg_id'])").ok()
    assert run.stdout.strip() == run.id
    client.finish(client.send("shell", "comm_open", {"comm_id": "parents", "target_name": "look", "data": {}}),
                  reply=False)
    heard = client.finish(client.send("shell", "comm_msg", {"comm_id": "parents", "data": {}}), reply=False)
    assert heard.stdout.strip() == heard.id


def test_53_the_output_widget_knows_its_message(widgets):
    run = widgets.run("out = ipywidgets.Output()\nwith out:\n    print('caught')").ok()
    ids = [one.content["data"].get("state", {}).get("msg_id") for one in run.of("comm_msg")]
    if not any(ids):
        pytest.skip("this ipywidgets marks its output otherwise: %r" % run.of("comm_msg"))
    assert run.id in ids


@pytest.mark.cellblock_only("there ipykernel's modules are the kernel itself")
def test_53_what_ipykernels_own_modules_make_is_this_kernels(client):
    """Where a cell imports ipykernel.ipkernel, comm's functions become CommManager() and BaseComm()."""
    run = client.run("from ipykernel.comm.comm import BaseComm\nfrom ipykernel.comm.manager import CommManager\n"
                     "print(CommManager() is get_ipython().kernel.comm_manager)\n"
                     "one = BaseComm(target_name='front', comm_id='after', data={'a': 1})\n"
                     "print(CommManager().get_comm('after') is one)").ok()
    assert run.stdout == "True\nTrue\n"
    opened, = run.of("comm_open")
    assert opened.content["comm_id"] == "after" and opened.content["data"] == {"a": 1}
