"""The audit log: a line for each cell, a chain that shows changes, and no code where it can't be written."""

import hashlib
import itertools
import json
import os
import pathlib
import subprocess

import pytest
from support import kernels


@pytest.fixture
def audit(user_place, request):
    folder = user_place.root / "home" / ("audit-%d" % abs(hash(request.node.name)))
    subprocess.run(user_place.as_user(["mkdir", "-p", str(folder)]), check=True)
    path = folder / "log.jsonl"
    count = itertools.count()

    def run(code, path=path, background=False, **policy):
        file = user_place.policy("audited-%d" % next(count), audit=str(path), **policy)
        process = subprocess.Popen(user_place.as_user([kernels.PROGRAM, "run", "--json", "--policy", str(file), "-"]),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=user_place.environment())
        if background:
            process.stdin.write(code)
            process.stdin.close()
            return process
        out, _ = process.communicate(code, timeout=60)
        return json.loads(out)

    run.path, run.folder, run.place = path, folder, user_place
    return run


def verify(path, *arguments):
    done = subprocess.run([kernels.PROGRAM, "audit", "verify", str(path), *arguments], capture_output=True, text=True,
                          timeout=30)
    return done.returncode, done.stdout + done.stderr


def lines_of(path):
    return path.read_text().splitlines()


def test_a_line_for_each_cell(audit):
    code = "print('hi')\n# %%\nx = 1\n# %%\n1 / 0\n"
    audit(code)
    records = [json.loads(line) for line in lines_of(audit.path)]
    assert [record["status"] for record in records] == ["ok", "ok", "error"]
    assert records[2]["error"] == "ZeroDivisionError" and records[0]["output_bytes"] > 0
    assert len({record["session"] for record in records}) == len({record["policy_digest"] for record in records}) == 1
    assert records[0]["previous"] == "0" * 64
    for before, record in zip(lines_of(audit.path), records[1:]):
        assert record["previous"] == hashlib.sha256(before.encode()).hexdigest()
    assert records[1]["code_digest"] in {hashlib.sha256(text).hexdigest() for text in
                                         (b"# %%\nx = 1\n", b"x = 1\n", b"x = 1", b"# %%\nx = 1")}
    assert os.stat(audit.path).st_mode & 0o777 == 0o600
    assert verify(audit.path)[0] == 0


def test_commands_have_lines_too_and_dont_run_without(audit):
    def command(path, *words):
        file = audit.place.policy("commands", audit=str(path))
        return subprocess.run(audit.place.as_user([kernels.PROGRAM, "exec", "--policy", str(file), "--", *words]), capture_output=True,
                              text=True, timeout=60, env=audit.place.environment(), check=False)

    audit("1")
    assert command(audit.path, "sh", "-c", "echo out; exit 3").returncode == 3
    first, second = (json.loads(line) for line in lines_of(audit.path))
    assert second["command_digest"] == hashlib.sha256(b'["sh","-c","echo out; exit 3"]').hexdigest() and "code_digest" not in second
    assert (second["exit_code"], second["output_bytes"], second["timed_out"]) == (3, 4, False) and second["wall_seconds"] > 0
    assert first["policy_digest"] != "" and verify(audit.path)[0] == 0
    refused = command(audit.folder / "no" / "such" / "log", "echo", "ran")
    assert refused.returncode != 0 and refused.stdout == "" and "audit" in refused.stderr


def test_how_it_ended_is_in_the_line(audit):
    audit("%%timeout 1\nwhile True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass")
    audit("print('x' * 100000)", limits={"output": "4KiB"})
    timeout, cut = (json.loads(line) for line in lines_of(audit.path))
    assert timeout["status"] == "timeout" and timeout["rung"] == "worker_killed" and timeout["state"] == "lost"
    assert timeout["wall_seconds"] >= 1 and not timeout["output_cut"] and cut["output_cut"]


def test_programs_share_a_log(audit):
    running = [audit("# %%\n".join(["pass\n"] * 10), background=True) for _ in range(4)]
    assert all(one.wait(timeout=100) == 0 for one in running)
    assert len(lines_of(audit.path)) == 40
    assert verify(audit.path)[0] == 0


@pytest.fixture
def written(audit):
    audit("# %%\n".join("%d\n" % n for n in range(6)))
    assert len(lines_of(audit.path)) == 6
    return audit.path


def rewrite(path, lines):
    path.write_text("".join(line + "\n" for line in lines))


@pytest.mark.parametrize("change, where", [
    (lambda lines: [*lines[:2], lines[2].replace('"ok"', '"no"'), *lines[3:]], 4),
    (lambda lines: [*lines[:2], *lines[3:]], 3),
    (lambda lines: lines[1:], 1),
    (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
    (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
    (lambda lines: [*lines[:3], "{}", *lines[3:]], 4),
    (lambda lines: [*lines[:5], lines[5][:30]], 6),
    (lambda lines: [lines[0].replace("0" * 64, "1" * 64), *lines[1:]], 1),
], ids=["changed", "removed", "first_removed", "swapped", "doubled", "added", "cut_off", "forged_start"])
def test_a_change_is_found(written, change, where):
    rewrite(written, change(lines_of(written)))
    status, text = verify(written)
    assert status == 1 and ":%d:" % where in text and "not as it was written" in text


def test_each_changed_byte_is_found(written):
    whole = written.read_bytes()
    end_of_last_but_one = whole[:-1].rfind(b"\n")
    for at in range(0, end_of_last_but_one, 37):
        changed = bytearray(whole)
        changed[at] ^= 1
        written.write_bytes(changed)
        assert verify(written)[0] == 1, at


def test_missing_lines_at_the_end_are_found_by_a_digest_kept_elsewhere(written):
    _, text = verify(written)
    head = text.split("digest ")[1].split()[0]
    assert verify(written, "--head", head)[0] == 0
    rewrite(written, lines_of(written)[:-1])
    assert verify(written)[0] == 0
    status, text = verify(written, "--head", head)
    assert status == 1 and "missing" in text


@pytest.mark.parametrize("path", ["/nowhere/log", "/dev/full", "/tmp"])
def test_what_cant_be_verified_is_2(path):
    assert verify(path)[0] == 2


def refused(report, *words):
    assert report["status"] == "unavailable" and report["stdout"] == "", report
    for word in words:
        assert word in report["error"]["evalue"], report["error"]["evalue"]


@pytest.mark.parametrize("kind", ["no_folder", "link", "fifo", "directory", "open_to_others", "two_names", "device"])
def test_where_it_cant_be_written_nothing_runs(audit, kind):
    path = audit.folder / "log"
    shell = {"no_folder": "true", "link": "touch other; ln -s other log", "fifo": "mkfifo log", "directory": "mkdir log",
             "open_to_others": "touch log; chmod 666 log", "two_names": "touch log; chmod 600 log; ln log twin",
             "device": "true"}[kind]
    subprocess.run(audit.place.as_user(["sh", "-c", "cd %s; %s" % (audit.folder, shell)]), check=True)
    path = {"no_folder": audit.folder / "none" / "log", "device": pathlib.Path("/dev/full")}.get(kind, path)
    refused(audit("print('ran')", path=path), "audit", str(path), "Nothing runs without it")


@pytest.mark.both_users
def test_an_unwritable_folder(audit):
    if not audit.place.user:
        pytest.skip("root may write everywhere")
    refused(audit("print('ran')", path=pathlib.Path("/etc/cellblock-audit")), "audit", "Permission denied")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small filesystem")
def test_a_full_disk(audit):
    small = audit.folder / "small"
    subprocess.run(audit.place.as_user(["mkdir", str(small)]), check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "none", str(small)], check=True)
    try:
        path = small / "log"
        assert audit("print('ran')", path=path)["status"] == "ok"
        subprocess.run(
            ["dd", "if=/dev/zero", "of=%s" % (small / "filling")], capture_output=True)
        refused(audit("print('ran')", path=path), "audit", "No space left")
        os.unlink(small / "filling")
        assert audit("print('ran')", path=path)["status"] == "ok"
        assert verify(path)[0] == 0 and len(lines_of(path)) == 2
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_line_that_a_crash_cut_off_doesnt_stop_the_log_and_is_found(audit):
    audit("1")
    audit.path.write_text(audit.path.read_text() + '{"time": "2026')
    assert audit("2")["status"] == "ok"
    status, text = verify(audit.path)
    assert status == 1 and ":2:" in text and len(lines_of(audit.path)) == 3


def test_a_kernel_writes_it_too_and_lives_without_it(start_as, user_place):
    path = user_place.root / "home" / "kernel-log"
    kernel = start_as(policy={"audit": str(path)})
    kernel.client.run("1").ok()
    assert len(lines_of(path)) == 1
    path.unlink()
    path.mkdir()
    run = kernel.client.run("print('ran')")
    assert run.status == "error" and "audit" in run.content["evalue"] and not run.stdout
    path.rmdir()
    assert kernel.client.run("1").ok()


def test_off_by_default(user_place):
    done = subprocess.run([kernels.PROGRAM, "policy", "show", "default"], capture_output=True, text=True,
                          env=user_place.environment())
    assert json.loads(done.stdout)["audit"] == ""
