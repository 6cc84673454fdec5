"""Comms both ways, and the widgets on them."""

OPEN = "import ipykernel.comm\n"
MAKE = "from ipykernel.comm import Comm\n"


def test_the_cell_opens_sends_and_closes(host):
    result = host.execute(MAKE + "c = Comm(target_name='t', data={'a': 1}, metadata={'m': 2}, buffers=[b'x\\x00y'])\n"
                                 "c.send({'b': 2**70}, buffers=[b'1', memoryview(b'22')])\nc.close()")
    opened, = result.of("comm_open")
    assert (opened["target_name"], opened["data"], opened["metadata"], opened["buffers"]) == (
        "t", {"a": 1}, {"m": 2}, [b"x\x00y"])
    sent, = result.of("comm_msg")
    assert sent["data"] == {"b": 2 ** 70} and sent["buffers"] == [b"1", b"22"]
    assert result.of("comm_close")[0]["comm_id"] == opened["comm_id"]


def test_messages_reach_the_cells_callback(host):
    result = host.execute(MAKE + "got = []\nc = Comm(target_name='t')\n@c.on_msg\ndef f(m):\n"
                                 "    got.append((m['content']['data'], [bytes(b) for b in m['buffers']]))\n    print('got it')")
    comm_id = result.of("comm_open")[0]["comm_id"]
    result = host.comm("comm_msg", comm_id, {"k": 1}, [b"bin\x00"])
    assert result.stdout == "got it\n" and result.status == "ok"
    assert host.execute("got").result == "[({'k': 1}, [b'bin\\x00'])]"
    assert comm_id in host.ask("comm_info", target_name="t")["comms"]
    assert host.ask("comm_info", target_name="other")["comms"] == {}
    host.comm("comm_close", comm_id)
    assert host.ask("comm_info", target_name=None)["comms"] == {}


def test_the_front_end_opens_a_registered_target(host):
    host.execute("def target(comm, msg):\n    comm.send({'echo': msg['content']['data']})\n"
                 "get_ipython().kernel.comm_manager.register_target('mine', target)")
    result = host.comm("comm_open", "abc", {"x": 1}, target_name="mine")
    assert result.of("comm_msg")[0]["data"] == {"echo": {"x": 1}}
    assert host.ask("comm_info", target_name="mine")["comms"] == {"abc": {"target_name": "mine"}}


def test_an_unknown_target_is_closed(host):
    result = host.comm("comm_open", "xyz", target_name="nobody")
    assert result.of("comm_close")[0]["comm_id"] == "xyz"


def test_a_failing_callback_is_an_error_of_its_message(host):
    result = host.execute(MAKE + "c = Comm(target_name='t')\nc.on_msg(lambda m: 1/0)")
    result = host.comm("comm_msg", result.of("comm_open")[0]["comm_id"])
    assert result.status == "error" and result.error["ename"] == "ZeroDivisionError"


def test_a_message_to_no_one_is_done(host):
    assert host.comm("comm_msg", "nobody").status == "ok"


def test_the_comm_package(host, has):
    has("comm")
    result = host.execute("import comm\nc = comm.create_comm(target_name='p', data={'z': 1})\n"
                          "isinstance(c, comm.base_comm.BaseComm), comm.get_comm_manager().get_comm(c.comm_id) is c")
    assert result.of("comm_open")[0]["data"] == {"z": 1} and result.result == "(True, True)"


def test_widgets(host, has):
    has("ipywidgets")
    result = host.execute("import ipywidgets as w\ns = w.IntSlider(value=3)\ns")
    assert result.status == "ok", result.error
    opened = result.of("comm_open")
    assert {frame["target_name"] for frame in opened} <= {"jupyter.widget", "jupyter.widget.control"} and opened
    slider = [frame for frame in opened if frame["data"].get("state", frame["data"]).get("value") == 3]
    if not slider:
        return  # ipywidgets 6 sends the state later
    view, = [frame["data"] for frame in result.displays]
    assert view["application/vnd.jupyter.widget-view+json"]["model_id"] == slider[0]["comm_id"]
    update = {"method": "update", "state": {"value": 9}, "buffer_paths": []}
    if "state" not in slider[0]["data"]:  # ipywidgets 6
        update = {"method": "backbone", "sync_data": {"value": 9}, "buffer_keys": []}
    result = host.comm("comm_msg", slider[0]["comm_id"], update)
    assert result.status == "ok" and host.execute("s.value").result == "9"


def test_widget_callbacks_and_interact(host, has):
    has("ipywidgets")
    result = host.execute("def f(x): print('x is', x)\nw.interact(f, x=5);")
    assert result.status == "ok", result.error


def test_output_widget_knows_the_requests_id(host, has):
    has("ipywidgets")
    result = host.execute("o = w.Output()\nwith o:\n    mid = o.msg_id\n    print('inside')\nmid",
                          parent="the-request")
    assert result.result == "'the-request'", result.error
    order = [frame["type"] for frame in result.frames if frame["type"] != "display"]
    at = order.index("stream")
    assert "comm_msg" in order[:at] and "comm_msg" in order[at:]


def test_libraries_find_ipykernel_by_name(host):
    code = ("import sys, ipykernel\nfrom ipykernel.zmqshell import ZMQInteractiveShell\nimport ipykernel.comm.manager\n"
            "shell = get_ipython()\n"
            "isinstance(shell, ZMQInteractiveShell), type(shell).__module__, 'zmq' in sys.modules, "
            "ipykernel.version_info[0] >= 6, isinstance(shell.kernel.comm_manager, ipykernel.comm.CommManager)")
    assert host.execute(code).result == "(True, 'ipykernel.zmqshell', False, True, True)"


def test_where_it_is_installed_its_other_modules_can_be_imported(host, has):
    has("ipykernel.kernelbase")
    assert host.execute("from ipykernel.kernelbase import Kernel\nKernel.__module__").result == "'ipykernel.kernelbase'"
