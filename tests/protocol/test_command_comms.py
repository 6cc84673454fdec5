"""The comm target `cellblock.commands`: a client's way to run programs beside the cells (kernel/clients.md)."""

import time

import pytest
from support.commands import Commands

pytestmark = pytest.mark.cellblock_only("a comm target of cellblock's")


@pytest.fixture(params=["shell", "control"])
def commands(client, request):
    return Commands(client, request.param)


def test_what_it_writes_and_how_it_ends(commands):
    done = commands.run(line="echo out; printf '\\033[2J' >&2; exit 3")
    assert (done.stdout, done.stderr) == (b"out\n", b"\x1b[2J")
    assert (done.status, done.event, done.exit_code, done.signal, done.timed_out, done.cut) == ("ok", "done", 3, None, False, False)


def test_cells_and_commands_see_the_same_files(client, commands):
    client.run("open('a.txt', 'w').write('from a cell');").ok()
    assert commands.run("cat", "a.txt").stdout == b"from a cell"
    commands.run(line="tr a-z A-Z < a.txt > b.txt")
    assert client.run("open('b.txt').read()").result == "'FROM A CELL'"


def test_input(client, commands):
    request, number = commands.begin("tr", "a-z", "A-Z", input=True)
    assert commands.ask({"id": number, "do": "input"}, [b"abc"]) == []
    assert commands.ask({"id": number, "do": "input", "end": True}, [b"def"]) == []
    assert commands.end((request, number)).stdout == b"ABCDEF"
    assert commands.ask({"id": number, "do": "input"}, [b"abc"])[0]["ename"] == "ProcessLookupError"


def test_beside_a_cell_and_after_it(client):
    commands = Commands(client)
    cell = client.execute("import time\nwhile True: time.sleep(0.1)")
    assert commands.run("echo", "beside").stdout == b"beside\n"
    begun = commands.begin("sleep", "1.5")
    client.finish(client.send("control", "interrupt_request", {}))
    assert client.finish(cell).status == "error"
    assert commands.end(begun).exit_code == 0


def test_signals_and_time(commands):
    begun = commands.begin("sleep", "100")
    time.sleep(0.3)
    assert commands.ask({"id": begun[1], "do": "signal", "signal": 15}) == []
    done = commands.end(begun)
    assert (done.exit_code, done.signal) == (143, 15)
    late = commands.run("sleep", "100", timeout=0.4)
    assert (late.exit_code, late.timed_out) == (124, True)


def test_a_terminal(commands):
    begun = commands.begin("sh", "-c", "test -t 0 && stty size; read line; stty size; echo $line",
                           terminal=True, rows=30, columns=90)
    time.sleep(0.3)
    assert commands.ask({"id": begun[1], "do": "resize", "rows": 31, "columns": 91}) == []
    assert commands.ask({"id": begun[1], "do": "input"}, [b"typed\n"]) == []
    text = commands.end(begun).stdout.decode()
    assert "30 90" in text and "31 91" in text and text.endswith("typed\r\n")


def test_the_end_of_the_comm_is_that_of_its_commands(client, commands):
    begun = commands.begin("sleep", "100")
    commands.close()
    assert commands.end(begun).signal == 9


def test_a_cell_that_is_killed_takes_them_along(start, place):
    kernel = start(policy=place.policy(limits={"cell_time": "1s", "grace_time": "0.2s"}))
    commands = Commands(kernel.client)
    begun = commands.begin("sleep", "100", timeout=0)
    assert kernel.client.run("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass").status == "error"
    done = commands.end(begun)
    assert done.status == "error" and done.exit_code == 125 and "ended" in done.evalue
    assert commands.run("echo", "again").stdout == b"again\n"


@pytest.mark.parametrize("data, buffers, part", [
    ({"do": "run", "id": 1}, (), "'argv'"),
    ({"do": "run", "id": 1, "argv": ["true"], "line": "true"}, (), "'argv'"),
    ({"do": "run", "id": 1, "argv": "true"}, (), "list of texts"),
    ({"do": "run", "id": 1, "argv": [1]}, (), "list of texts"),
    ({"do": "run", "argv": ["true"]}, (), "'id'"),
    ({"do": "run", "id": 1, "argv": ["true"], "timeout": -1}, (), "seconds"),
    ({"do": "run", "id": 1, "argv": ["true"], "timeout": "1"}, (), "seconds"),
    ({"do": "run", "id": 1, "argv": ["true"], "environment": ["a"]}, (), "object of texts"),
    ({"do": "run", "id": 1, "argv": ["true"], "environment": {"a": 1}}, (), "object of texts"),
    ({"do": "run", "id": 1, "argv": ["true"], "terminal": True}, (), "'rows'"),
    ({"do": "run", "id": 1, "argv": ["true"], "terminal": True, "rows": 70000, "columns": 1}, (), "65535"),
    ({"do": "run", "id": 1, "argv": ["true"], "user": "root"}, (), "'user'"),
    ({"do": "run", "id": 1, "argv": ["true"]}, (b"x",), "buffer"),
    ({"do": "run", "id": "x" * 300, "argv": ["true"]}, (), "too long"),
    ({"do": "burn", "id": 1}, (), "'do' must be"),
    ({"do": 7, "id": 1}, (), "must be a text"),
    ({}, (), "'do' must be"),
    ({"do": "signal", "id": 1, "signal": 65}, (), "64"),
    ({"do": "signal", "id": 1, "signal": 9}, (), "no command"),
    ({"do": "input", "id": 1}, (b"a", b"b"), "one"),
    ({"do": "resize", "id": 1, "rows": 0, "columns": 5}, (), "above 0"),
    ([], (), "object"),
])
def test_what_cant_be_understood_is_told(commands, data, buffers, part):
    answer, = commands.ask(data, buffers)
    assert answer["status"] == "error" and part in answer["evalue"], answer


def test_what_cant_be_run_ends_with_a_reason(commands):
    done = commands.run("no-such-program")
    assert (done.status, done.exit_code) == ("error", 127) and "run no-such-program" in done.evalue
    done = commands.run("true", timeout=1e6)
    assert done.status == "error" and "limits.cell_time_max" in done.evalue
    done = commands.run("a\0b")
    assert done.status == "error" and "NUL" in done.evalue


def test_one_id_is_one_command(commands):
    request, number = commands.begin("sleep", "100")
    answer, = commands.ask({"id": number, "do": "run", "argv": ["true"]})
    assert answer["status"] == "error" and "'id'" in answer["evalue"]
    commands.ask({"id": number, "do": "signal", "signal": 9})
    assert commands.end((request, number)).signal == 9


def test_no_more_than_sixteen_at_a_time(commands):
    begun = [commands.begin("sleep", "100") for _ in range(17)]
    refused = commands.end(begun[16])
    assert refused.status == "error" and "16" in refused.evalue
    commands.close()
    assert {commands.end(one).signal for one in begun[:16]} == {9}


def test_a_comm_of_that_id_that_a_cell_opens_is_dropped(client, commands):
    run = client.run("from comm import create_comm\nc = create_comm(target_name='x', comm_id=%r); c.send({'event': 'done'})"
                     % commands.comm)
    assert not run.of("comm_msg") and not run.of("comm_open")


def test_comm_info_names_it(client, commands):
    reply = client.finish(client.send("shell", "comm_info_request", {"target_name": "cellblock.commands"})).content
    assert reply["comms"][commands.comm] == {"target_name": "cellblock.commands"}
