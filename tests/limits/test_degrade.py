"""What is missing is told by each cell, in words, with what to do; the kernel itself lives."""

import os
import shutil
import subprocess

import pytest
from support import kernels


def assert_tells(kernel, *words):
    """kernel_info is answered; each cell is an error that has these words; the kernel lives."""
    info = kernel.client.ask("kernel_info_request").content
    assert info["status"] == "ok" and info["language_info"]["name"] == "python"
    for _ in range(2):
        run = kernel.client.run("1 + 1")
        assert run.status == "error" and run.states == ["busy", "idle"]
        assert run.content["ename"] == "SandboxUnavailable", run.content
        assert len(run.of("error")) == 1
        for word in words:
            assert word.lower() in (run.content["evalue"] + run.traceback).lower(), (word, run.content)
    for kind in ("complete_request", "inspect_request", "is_complete_request", "comm_info_request"):
        reply = kernel.client.ask(kind, {"code": "pri", "cursor_pos": 3, "detail_level": 0}).content
        assert reply["status"] in ("ok", "error", "unknown")
    assert kernel.client.ask("interrupt_request", channel="control").status == "ok"
    assert kernel.alive()
    print(run.content["evalue"])
    return run


@pytest.mark.parametrize("python", ["/nowhere/bin/python3", "/etc/passwd", "/bin/true", "/tmp"])
def test_no_python(start_as, python):
    assert_tells(start_as(policy={"python": python}), python)


def test_no_python_on_the_path(start_as):
    kernel = start_as(policy={"python": ""}, environment={"PATH": "/nowhere"})
    assert_tells(kernel, "python")


@pytest.fixture(scope="module")
def bare_venv(user_place):
    folder = user_place.root / "bare"
    subprocess.run(user_place.as_user([kernels.PYTHON, "-m", "venv", "--without-pip", str(folder)]), check=True,
                   timeout=60, env=user_place.environment())
    return str(folder / "bin" / "python3")


def test_python_without_ipython(start_as, bare_venv):
    run = assert_tells(start_as(policy={"python": bare_venv}), "ipython")
    assert "install" in (run.content["evalue"] + run.traceback).lower()


def test_a_venv_with_debians_ipython_works(start_as, user_place):
    folder = user_place.root / "seeing"
    subprocess.run(user_place.as_user([kernels.PYTHON, "-m", "venv", "--without-pip", "--system-site-packages",
                                       str(folder)]), check=True, timeout=60, env=user_place.environment())
    kernel = start_as(policy={"python": str(folder / "bin" / "python3")})
    assert str(folder) in kernel.client.run("import sys; sys.prefix").ok().result


def test_a_python_that_is_removed_while_it_is_used_is_told(start_as, user_place):
    """The sandbox doesn't start it again and again."""
    folder = user_place.root / "removed"
    subprocess.run(user_place.as_user([kernels.PYTHON, "-m", "venv", "--without-pip", "--system-site-packages",
                                       str(folder)]), check=True, timeout=60, env=user_place.environment())
    client = start_as(policy={"python": str(folder / "bin" / "python3")}).client
    client.run("1").ok()
    for path in (folder / "bin").iterdir():
        path.unlink()
    run = client.run("import os; os._exit(3)")
    assert run.content["ename"] == "WorkerDied", run.content
    run = client.run("1")
    assert run.content["ename"] == "SandboxUnavailable" and str(folder) in run.content["evalue"], run.content


@pytest.mark.parametrize("text, words", [
    ("{", ["test"]), ('{"limits": {"memroy": "1GiB"}}', ["limits.memroy"]),
    ('{"limits": {"memory": "much"}}', ["limits.memory"]), ('{"limits": {"processes": "many"}}', ["limits.processes"]),
    ('{"engine": "no-such-engine"}', ["no-such-engine"]), ("", ["test"]), ('{"files": 3}', ["files"]),
], ids=["not_json", "unknown_key", "bad_unit", "wrong_type", "unknown_engine", "empty", "files"])
def test_a_broken_policy(start_as, user_place, text, words):
    assert_tells(start_with(start_as, user_place, text), *words)


def start_with(start_as, place, text):
    path = place.file("broken-test.json", text)
    return start_as(command=[kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy", str(path)])


def test_no_such_policy(start_as):
    kernel = start_as(command=[kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy", "no-such-policy"])
    assert_tells(kernel, "no-such-policy")


WITHOUT_NAMESPACES = """
set -e
echo 0 > /proc/sys/user/max_user_namespaces
exec "$@"
"""


def kernel_in(place, wrapper, user):
    """A kernel under a wrapper program; ZMQ over ipc, since the network may be another."""
    argv = [*wrapper, kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy", "default"]
    info = kernels.connection_info("ipc", place=place)
    return kernels.Kernel(place, command=argv, info=info)


def can_run(argv):
    return subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode == 0


def test_user_namespaces_switched_off(user_place, any_user):
    """In a user namespace of our own the limit can be set to 0, and no capability is kept."""
    drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if shutil.which("setpriv") else []
    wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c", WITHOUT_NAMESPACES, "sh", *drop]
    if not can_run(user_place.as_user([*wrapper, "true"])):
        pytest.skip("user.max_user_namespaces can't be set in a namespace here")
    kernel = kernel_in(user_place, wrapper, any_user)
    try:
        run = assert_tells(kernel, "namespace")
        assert "max_user_namespaces" in run.content["evalue"] + run.traceback
    finally:
        assert not kernel.stop()


def test_an_unwritable_tmp(user_place, any_user):
    """/tmp is a read-only mount, so is the home: the sandbox brings its own, or says what is missing."""
    script = ("set -e; mount --bind {run} {run}; mount --rbind /tmp /tmp; mount -o remount,bind,ro /tmp; "
              "touch /tmp/x 2>/dev/null && exit 9; exec \"$@\"").format(run=user_place.root / "run")
    wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if os.getuid() != 0 or any_user:
        wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if not can_run(user_place.as_user([*wrapper, "true"])):
        pytest.skip("/tmp can't be made read-only in a namespace here")
    kernel = kernel_in(user_place, wrapper, any_user)
    try:
        run = kernel.client.run("import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')\n6 * 7")
        if run.status == "ok":
            assert run.result == "42"
        else:
            assert_tells(kernel, "/tmp")
    finally:
        assert not kernel.stop()


def test_no_home_and_no_environment(start_as):
    kernel = start_as(environment={name: None for name in (
        "HOME", "USER", "LANG", "TERM", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME")})
    assert kernel.client.run("6 * 7").ok().result == "42"


def test_a_working_directory_that_is_gone(user_place, any_user):
    gone = user_place.root / "gone"
    gone.mkdir()
    gone.chmod(0o777)
    info = kernels.connection_info()
    script = "cd %s && rmdir %s && exec \"$@\"" % (gone, gone)
    if any_user:
        gone.rmdir()
        subprocess.run(user_place.as_user(["mkdir", str(gone)]), check=True)
    kernel = kernels.Kernel(user_place, command=["sh", "-c", script, "sh", *kernels.default_command()], info=info)
    try:
        run = kernel.client.run("6 * 7")
        assert run.status == "ok" or run.content["ename"] == "SandboxUnavailable"
    finally:
        assert not kernel.stop()


def test_few_file_descriptors(user_place, any_user):
    kernel = kernels.Kernel(user_place, command=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh",
                                                 *kernels.default_command()])
    try:
        run = kernel.client.run("6 * 7")
        assert run.status == "ok" or run.content["ename"] == "SandboxUnavailable"
    finally:
        assert not kernel.stop()
