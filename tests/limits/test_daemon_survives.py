"""What happens to a daemon and its sandboxes in the course of days: a machine that sleeps, a disk that is full, upgrades."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from support import kernels, leftovers
from support.daemons import ask, make_font_list, ready, run, sandboxes, status, wait_for

SEEN = "print('zygote' in open('/proc/1/cmdline').read())"
POLICY = {"pool": {"min": 1, "max": 1}}


@pytest.fixture
def place(place_with_daemon):
    return place_with_daemon


def warm(place):
    policy = place.policy("survivor", **POLICY)
    make_font_list(place)
    assert run(place, SEEN, policy)[0]["stdout"] == "False\n"
    ready(place)
    return policy


def test_all_that_waits_goes_on_after_a_sleep(place):
    policy = warm(place)
    everything = [status(place)["process"], *leftovers.descendants(status(place)["zygotes"][0]["process"]),
                  status(place)["zygotes"][0]["process"]]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    for pid in reversed(everything):
        os.kill(pid, signal.SIGCONT)
    before = status(place)["claims"]["from_pool"]
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"
    assert status(place)["claims"]["from_pool"] == before + 1


def test_a_full_disk_is_no_matter(place):
    """Neither what was learned nor a log can be written."""
    full = place.root / "cache"
    if os.geteuid() != 0:
        pytest.skip("mounting a filesystem that is full needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0777", "none", full], check=True)
    try:
        (full / "filler").write_bytes(b"x" * 4096)
        policy = warm(place)
        assert run(place, "import statistics\n" + SEEN, policy)[0]["stdout"] == "True\n"
        wait_for(place, lambda told: any("statistics" in one["preload"] and one["state"] == "ready"
                                         for one in told["zygotes"]))
        assert not (full / "cellblock" / "imports.json").exists()
    finally:
        subprocess.run(["umount", "-l", full], check=True)


@pytest.fixture
def installed(tmp_path):
    """install(name): a copy of cellblock of its own."""
    def install(name):
        prefix = pathlib.Path(tmp_path) / name
        subprocess.run(["cmake", "--install", kernels.REPO / "build", "--prefix", prefix], check=True, capture_output=True)
        return prefix / "bin" / "cellblock"

    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() != "root" or folder == pathlib.Path("/tmp"):
            break
        folder.chmod(0o755)
    return install


def start(place, program, code=SEEN):
    done = subprocess.run(place.as_user([program, "run", "--json", "--python", kernels.PYTHON, "-"]), input=code,
                          env=place.environment(), cwd=place.root / "work", capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)["stdout"]


def all_daemons(place):
    return json.loads(ask(place, "status", "--json"))


def test_two_versions_side_by_side_have_a_daemon_each(place, installed):
    programs = [installed("one"), installed("two")]
    for program in programs:
        assert start(place, program) == "False\n"
    assert leftovers.wait_until(lambda: [one["pool"]["ready"] for one in all_daemons(place)] == [1, 1], 30), all_daemons(place)
    for program in programs:
        assert start(place, program) == "True\n"
    assert [one["claims"]["given"] for one in all_daemons(place)] == [1, 1]


def test_an_upgrade_of_cellblock_leaves_sessions_alone_and_starts_anew(place, installed):
    program = installed("here")
    assert start(place, program) == "False\n"
    assert leftovers.wait_until(lambda: [one["pool"]["ready"] for one in all_daemons(place)] == [1], 30)
    before = all_daemons(place)[0]["process"]
    with subprocess.Popen(place.as_user([program, "run", "--python", kernels.PYTHON, "-"]), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env=place.environment(), cwd=place.root / "work") as session:
        session.stdin.write("import time\nprint('begun', flush=True)\ntime.sleep(4)\nprint('done')")
        session.stdin.close()
        assert session.stdout.readline() == "begun\n"
        fresh = installed("fresh").parent.parent
        for file in fresh.rglob("*"):
            if file.is_file():
                there = fresh.parent / "here" / file.relative_to(fresh)
                shutil.copy2(file, str(there) + ".new")
                os.replace(str(there) + ".new", there)
        assert start(place, program) == "False\n"
        assert session.stdout.read() == "done\n"
    assert leftovers.wait_until(lambda: any(one["process"] != before and one["pool"]["ready"] for one in all_daemons(place)), 30), \
        all_daemons(place)
    assert start(place, program) == "True\n"


def test_who_compiles_our_modules_changes_nothing(place, installed):
    """`cellblock install` does, and a test that imports them."""
    program = installed("compiled")
    assert start(place, program) == "False\n"
    assert leftovers.wait_until(lambda: [one["pool"]["ready"] for one in all_daemons(place)] == [1], 30)
    before = all_daemons(place)[0]["zygotes"][0]["process"]
    subprocess.run([kernels.PYTHON, "-m", "compileall", "-q", program.parents[1] / "share/cellblock/python"], check=True)
    assert start(place, program) == "True\n"
    assert [one["process"] for one in all_daemons(place)[0]["zygotes"]] == [before]


def test_an_upgrade_of_python_is_seen(place):
    """Another program of the same name."""
    venv = place.root / "work" / "venv"
    subprocess.run(place.as_user(["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", venv]), check=True)
    policy = place.policy("venv", **{**POLICY, "python": str(venv / "bin" / "python3")})
    run(place, SEEN, policy)
    wait_for(place, lambda told: any(str(venv) in one["program"] and one["state"] == "ready" for one in told["zygotes"]))
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "upgraded.pth").write_text("import builtins; builtins.upgraded = True\n")
    seen = "import builtins; print(hasattr(builtins, 'upgraded'))"
    assert run(place, seen, policy)[0]["stdout"] == "True\n"  # cold
    assert leftovers.wait_until(lambda: run(place, SEEN, policy)[0]["stdout"] == "True\n", 30)
    assert run(place, seen, policy)[0]["stdout"] == "True\n"


def test_supervisors_of_spares_end_with_the_daemon(place):
    warm(place)
    found, spare = sandboxes(place)
    assert len(found) == spare >= 1
    ask(place, "stop")
    assert leftovers.wait_until(lambda: not any(leftovers.is_alive(pid) for pid in found), 10)
