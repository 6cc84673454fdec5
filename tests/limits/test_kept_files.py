"""What a notebook's cells write: data files come beside it and are told of, yours stay as they are."""

import os
import shutil
import signal

import pytest
from support import leftovers
from support.files import Files

NOTEBOOK = {"files": [{"host": ".", "sandbox": "/work", "mode": "overlay", "keep": {}}],
            "limits": {"cell_time": "20s", "grace_time": "500ms"}}


@pytest.fixture
def work(own_place):
    return own_place.root / "work"


@pytest.fixture
def start(start_as, own_place):
    return lambda policy: start_as(policy=policy, place=own_place)


@pytest.fixture
def kernel(start):
    return start(NOTEBOOK)


def test_a_file_is_kept_beside_the_notebook_and_told_of_once(kernel, work):
    run = kernel.client.run("import pandas\npandas.DataFrame({'a': range(3)}).to_csv('out.csv', index=False)\nprint('written')").ok()
    assert run.stdout == "written\nkept out.csv (8 B)\n" and run.stderr == ""
    assert (work / "out.csv").read_text() == "a\n0\n1\n2\n"
    told = run.reply.metadata["files"]
    assert [(one["name"], one["path"], one["size"], one["mime"]) for one in told] == [("out.csv", str(work / "out.csv"), 8, "text/csv")]
    again = kernel.client.run("open('out.csv').read()").ok()
    assert again.stdout == "" and "files" not in again.reply.metadata


def test_yours_stay_as_they_are_and_what_cells_made_changes(kernel, work):
    (work / "data.csv").write_text("yours")
    shutil.chown(work / "data.csv", work.owner(), work.group())
    run = kernel.client.run("open('data.csv', 'a').write(' and mine'); open('own.csv', 'w').write('1');").ok()
    assert (work / "data.csv").read_text() == "yours" and (work / "data (2).csv").read_text() == "yours and mine"
    assert "kept data.csv (14 B) as data (2).csv, since there is another file of that name already\n" in run.stdout
    kernel.client.run("open('own.csv', 'w').write('22');").ok()
    assert (work / "own.csv").read_text() == "22"


def test_a_restarted_kernel_knows_what_cells_made(start, work):
    for text in ("1", "22"):
        kernel = start(NOTEBOOK)
        kernel.client.run("open('own.csv', 'w').write('%s');" % text).ok()
        kernel.stop()
        assert (work / "own.csv").read_text() == text
    assert not (work / "own (2).csv").exists()


def test_a_folder_that_is_removed_and_made_anew(start, work):
    to = work / "results"
    kernel = start({**NOTEBOOK, "files": [{**NOTEBOOK["files"][0], "keep": {"to": "results"}}]})
    for text in ("1", "22", "333"):
        kernel.client.run("open('own.csv', 'w').write('%s');" % text).ok()
        assert (to / "own.csv").read_text() == text
        shutil.rmtree(to)
    kernel.client.run("import os; os.remove('own.csv'); open('other.csv', 'w').write('x');").ok()
    assert [path.name for path in to.iterdir()] == ["other.csv"]


def test_what_a_thread_writes_later_is_kept_with_the_next_cell(kernel, work):
    kernel.client.run("import threading, time\nwriter = threading.Thread(target=lambda: (time.sleep(1), open('late.csv', 'w').write('x')))\n"
                      "writer.start()").ok()
    assert not (work / "late.csv").exists()
    assert "kept late.csv" in kernel.client.run("writer.join()").ok().stdout and (work / "late.csv").read_text() == "x"


def test_a_file_that_a_cell_removes_stays_with_you(kernel, work):
    kernel.client.run("open('own.csv', 'w').write('1');").ok()
    kernel.client.run("import os; os.remove('own.csv')").ok()
    assert (work / "own.csv").read_text() == "1"


@pytest.mark.parametrize(("code", "status"), [("1 / 0", "ZeroDivisionError"), ("import os; os._exit(3)", "WorkerDied")])
def test_a_cell_that_fails_or_kills_its_worker(kernel, work, code, status):
    run = kernel.client.run("open('own.csv', 'w').write('1')\n" + code)
    assert run.content["ename"] == status and (work / "own.csv").read_text() == "1"
    assert kernel.client.run("6 * 7").ok().result == "42"


def test_a_cell_at_its_deadline(start, work):
    kernel = start({**NOTEBOOK, "limits": {"cell_time": "1s", "grace_time": "300ms"}})
    code = "open('own.csv', 'w').write('1')\nimport time\nwhile True:\n    try: time.sleep(1)\n    except KeyboardInterrupt: pass"
    run = kernel.client.run(code, timeout=60)
    assert run.content["ename"] == "CellTimeout" and (work / "own.csv").read_text() == "1"
    assert kernel.client.run("6 * 7").ok().result == "42"


def test_a_silent_cell_says_nothing(kernel, work):
    run = kernel.client.run("open('own.csv', 'w').write('1')", silent=True)
    assert run.of("stream") == [] and (work / "own.csv").read_text() == "1"


def test_what_isnt_kept_is_told_with_its_key(kernel, work):
    run = kernel.client.run("open('model.pkl', 'w').write('1');").ok()
    assert run.stdout == "not kept model.pkl: its name isn't among files[0].keep.patterns\n"
    assert run.reply.metadata["files_not_kept"][0]["name"] == "model.pkl" and not (work / "model.pkl").exists()


def test_a_session_fills_no_disk(start, work):
    kernel = start({**NOTEBOOK, "files": [{**NOTEBOOK["files"][0], "keep": {"total": "1MiB"}}]})
    for name in ("same", "same", "same", "other"):  # what is written anew takes its own place
        run = kernel.client.run("open('%s.csv', 'wb').write(b'%s' * 600000);" % (name, name[0])).ok()
        assert ("keep.total" in run.stdout) == (name == "other"), run.stdout
    for turn in range(5):
        kernel.client.run("import os; os.remove('same.csv') if os.path.exists('same.csv') else None\n"
                          "open('n%d.csv', 'wb').write(b'x' * 600000);" % turn).ok()
    assert sorted(path.name for path in work.glob("*.csv")) == ["same.csv"]


def test_what_a_client_has_written_is_no_cells_file(start, work):
    kernel = start(NOTEBOOK)
    files = Files(kernel.client)
    for name in ("given.csv", "changed.csv", "/work/in/absolute.csv"):
        files.ok("write", b"given", path=name)
    files.ok("write", b"by", path="pieces.csv", offset=0)
    files.ok("write", b"pieces", path="pieces.csv", offset=2)
    assert kernel.client.run("1;").ok().stdout == ""
    run = kernel.client.run("open('changed.csv', 'a').write(' and changed'); open('made.csv', 'w').write('x');").ok()
    assert sorted(path.name for path in work.glob("**/*.csv")) == ["changed.csv", "made.csv"], run.stdout
    assert "not kept" not in run.stdout


MANY = "for n in range(100): open('n%03d.csv' % n, 'wb').write(b'x' * (2 << 20))\nprint('done', flush=True)"


def test_an_interrupt_ends_the_look_and_the_next_one_goes_on(start, work):
    kernel = start({**NOTEBOOK, "limits": {"disk": "300MiB"}})
    cell = kernel.client.execute(MANY)
    kernel.client.first(cell, "stream")
    kernel.client.send("control", "interrupt_request")
    kernel.client.finish(cell)
    kernel.client.run("1;")
    assert len(list(work.glob("n*.csv"))) == 100


def test_kill_9_in_the_middle_leaves_no_file_by_halves(start, work):
    kernel = start({**NOTEBOOK, "limits": {"disk": "300MiB"}})
    kernel.client.execute(MANY)
    assert leftovers.wait_until(lambda: len(list(work.glob("n*.csv"))) > 3, 30)
    family = kernel.tree()
    os.kill(kernel.pid, signal.SIGKILL)
    kernel.process.wait()
    sizes = {path.name: path.stat().st_size for path in work.iterdir() if path.suffix != ".json"}  # but the policy's
    assert set(sizes.values()) == {2 << 20} and all(name.startswith("n") for name in sizes), sizes
    assert leftovers.wait_until(lambda: not any(leftovers.is_alive(pid) for pid in family), 10)


def test_what_hasnt_changed_is_told_once(start, work):
    kernel = start({**NOTEBOOK, "files": [{**NOTEBOOK["files"][0], "keep": {"to": str(work / "no" / "such"), "size": "1KiB"}}]})
    first = kernel.client.run("for name in ('a.csv', 'b.csv', 'x.py', 'a\\n.csv', '-.csv'): open(name, 'w').write('1')\n"
                              "open('c.csv', 'w').write('x' * 2000);").ok()
    assert "keep.to" in first.stdout and "2 names" in first.stdout and "x.py" in first.stdout and "keep.size" in first.stdout
    second = kernel.client.run("1;").ok()
    assert second.stdout.count("\n") == 1 and "keep.to" in second.stdout, second.stdout  # what couldn't be kept is tried again
    (work / "no" / "such").mkdir(parents=True)
    for folder in (work / "no", work / "no" / "such"):
        shutil.chown(folder, work.owner(), work.group())
    assert "kept a.csv" in kernel.client.run("1;").ok().stdout
    assert kernel.client.run("1;").ok().stdout == ""


def test_a_flood_of_files_holds_up_no_other_client(start, work):
    kernel = start({**NOTEBOOK, "files": [{**NOTEBOOK["files"][0], "keep": {"count": 10000, "total": "200MiB"}}],
                              "limits": {"disk": "300MiB"}})
    cell = kernel.client.execute("for n in range(100): open('n%03d.csv' % n, 'wb').write(b'x' * (2 << 20))\nprint('done', flush=True)")
    kernel.client.first(cell, "stream")
    other = kernel.connect()
    assert other.ask("kernel_info_request", channel="control").content["status"] == "ok"
    assert kernel.client.finish(cell).status == "ok"
    assert len(list(work.glob("n*.csv"))) == 100


def test_an_engine_that_cant_says_so_once(start):
    kernel = start({**NOTEBOOK, "engine": "bubblewrap"})
    runs = [kernel.client.run("open('own.csv', 'w').write('1');").ok() for _ in range(2)]
    assert "can't hand over" in runs[0].stdout and runs[1].stdout == ""
