"""The engine `modal`: the key, the package, requests to the service, and ends that nobody wished.

Its ordinary work is tested as every engine's is (test_engines.py). Tests that need Modal's SDK are long, and meet a stand-in for the service.
"""

import json
import os
import re
import signal
import subprocess

import pytest

from support import kernels, leftovers

from . import modal_service

TOOL = kernels.REPO / "share" / "cellblock" / "engines" / "tools" / "modal.py"
KEY = {"MODAL_TOKEN_ID": "ak-" + "i" * 22, "MODAL_TOKEN_SECRET": "as-" + "s" * 22}


@pytest.fixture
def call(tmp_path):
    """call(word, environment, …): the engine's program; python: what starts it."""
    def run(*words, variables=KEY, python=("/usr/bin/python3", "-B", "-S")):
        environment = {"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(tmp_path), **variables}
        return subprocess.run([*python, TOOL, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return run


def says(failed, *words):
    assert failed.returncode == 1 and failed.stderr.startswith("modal: ") and failed.stderr.count("\n") == 1, failed.stderr
    assert all(word in failed.stderr for word in words) and "\x1b" not in failed.stderr, failed.stderr


@pytest.mark.parametrize("variables", [{}, {"MODAL_TOKEN_ID": "ak-1"}, {"MODAL_TOKEN_SECRET": "as-1", "MODAL_TOKEN_ID": ""}])
def test_a_missing_key_says_where_to_put_one(call, tmp_path, variables):
    says(call("probe", variables=variables), "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or put these, one a line, into %s" % tmp_path)


def test_a_key_that_others_can_read_is_refused(call, tmp_path):
    file = tmp_path / "cellblock" / "modal-key"
    file.parent.mkdir()
    file.write_text("ak-1\nas-1\n")
    file.chmod(0o640)
    says(call("probe", variables={}), "chmod 600")
    file.chmod(0o600)
    says(call("probe", variables={}), "pip install modal")
    file.write_text("ak-1\n")
    says(call("probe", variables={}), "1 words, not 2")


@pytest.mark.parametrize("secret", ["as-1\x1b[2J", "as-\N{SNOWMAN}", "as-1\n"])
def test_a_key_that_is_none_is_in_no_error(call, secret):
    failed = call("probe", variables={"MODAL_TOKEN_ID": "ak-1", "MODAL_TOKEN_SECRET": secret})
    says(failed, "copy it again")
    assert "as-" not in failed.stderr


def test_a_missing_package_says_how_to_get_it(call):
    says(call("probe"), "/usr/bin/python3 has no package modal", "pip install modal", "PATH")


@pytest.mark.parametrize("version", ["'1.5.9'", "'0.73.1'", "'new\\x1b[2J'", "None"])
def test_a_package_that_is_too_old_says_so(call, tmp_path, version):
    (tmp_path / "modal.py").write_text("__version__ = %s\n" % version)
    says(call("probe", variables={**KEY, "PYTHONPATH": str(tmp_path)}), "1.6 or later is needed", "pip install --upgrade modal")


def test_the_documents_name_the_version_that_is_tested():
    [version] = re.findall(r"^modal==([\d.]+)$", modal_service.WANTED.read_text(), re.MULTILINE)
    text = (kernels.REPO / "sandbox/engines/README.md").read_text()
    assert set(re.findall(r"version (\d+\.\d+\.\d+)[\w ]* SDK", text)) == {version}


def run(place, code="print(6 * 7)", variables=None, **keys):
    policy = place.policy("modal", engine="modal", **{"allow_unenforced": True, **keys})
    return subprocess.run([kernels.PROGRAM, "run", "--policy", policy, "-"], input=code, env={**place.environment(), **(variables or {})},
                          capture_output=True, text=True, timeout=140, cwd=place.root / "work")


@pytest.mark.parametrize("keys, words", [
    ({"allow_unenforced": False}, ("limits.processes, limits.disk", "allow_unenforced")),
    ({"allow_unenforced": False, "network": {"allow": ["a.example"]}}, ("network.allow", "allow_unenforced")),
    ({"limits": {"memory": "60%"}}, ("share of this machine", "limits.memory"))])
def test_what_it_cannot_keep_is_refused_by_name(place, keys, words):
    refused = run(place, **keys)
    assert refused.returncode == 125 and all(word in refused.stderr for word in words), refused.stderr
    assert "limits.memory, " not in refused.stderr


def test_a_cell_without_a_key_says_what_to_do(place):
    failed = run(place)
    assert failed.returncode == 125 and "there is no API key: set MODAL_TOKEN_ID" in failed.stderr and "pip install modal" in failed.stderr
    assert "Traceback" not in failed.stderr
    cleaned = subprocess.run([kernels.PROGRAM, "clean", "modal"], env=place.environment(), capture_output=True, text=True, timeout=60)
    assert cleaned.returncode == 1 and "there is no API key: set MODAL_TOKEN_ID" in cleaned.stderr, cleaned.stderr


# --- by Modal's SDK

def by_the_sdk(test):
    """The first of these tests may wait for the SDK to come from PyPI."""
    return pytest.mark.long(pytest.mark.seconds(900)(test))


@pytest.fixture
def service(place):
    made = modal_service.StandIn(place.root)
    yield made
    made.stop()


@pytest.fixture
def tool(call, service):
    """tool(word, …): the engine's program with the SDK, for that service."""
    python = service.variables["PATH"].partition(":")[0] + "/python3"
    return lambda *words: call(*words, variables=service.variables, python=(python, "-B"))


@by_the_sdk
def test_the_service_is_asked_for_what_the_policy_says(place, service):
    done = run(place, variables=service.variables, limits={"memory": "512MiB", "cpus": 1.5})
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    [created] = [one["fields"] for one in service.requests("SandboxCreateV2")]
    wanted = created["definition"]
    assert wanted["network_access"] == {"network_access_type": "BLOCKED"} and not wanted.get("open_ports")
    assert wanted["resources"].pop("gpu_config") == {}
    assert wanted["resources"] == {"memory_mb": 512, "memory_mb_max": 512, "milli_cpu": 1500, "milli_cpu_max": 1500}
    assert wanted["timeout_secs"] == 24 * 3600 and wanted["image_id"] == "im-1"
    assert [tag["tag_name"] for tag in created["tags"]] == ["cellblock"] and created["tags"][0]["tag_value"].startswith("cellblock-")
    assert set(wanted) == {"network_access", "open_ports", "resources", "timeout_secs", "image_id", "entrypoint_args"}, wanted
    assert leftovers.wait_until(lambda: service.ended() == ["TERMINATED"], 20)


@by_the_sdk
@pytest.mark.parametrize("image, line", [
    (None, "RUN python -m pip install debugpy 'ipython>=8,<10' matplotlib pandas"), ("registry.example/lab:3", "FROM registry.example/lab:3"), ("im-7", None)])
def test_the_policys_image(place, service, image, line):
    assert run(place, variables=service.variables, **({"image": image} if image else {})).stdout == "42\n"
    lines = [line for one in service.requests("ImageGetOrCreate") for line in one["fields"]["image"]["dockerfile_commands"]]
    assert (line in lines) if line else not lines, lines
    [created] = service.requests("SandboxCreateV2")
    assert created["fields"]["definition"]["image_id"] == ("im-7" if image == "im-7" else "im-1")


@by_the_sdk
@pytest.mark.parametrize("from_file", [False, True])
def test_the_key_is_the_services_alone(place, service, from_file):
    variables = service.variables
    if from_file:
        file = place.root / "config" / "cellblock" / "modal-key"
        file.parent.mkdir()
        file.touch(0o600)
        file.write_text("%s\n%s\n" % service.key)
        variables = {name: value for name, value in variables.items() if "TOKEN" not in name}
    done = run(place, "import glob, os\nprint(dict(os.environ))\nfor path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\n"
                      "    try: print(open(path, 'rb').read())\n    except OSError: pass\nprint('seen')", variables)
    assert done.stdout.endswith("seen\n"), done.stderr
    assert not any(word in done.stdout + done.stderr for word in (*service.key, "MODAL_"))
    for one in service.requests():
        assert not any(word.encode() in bytes.fromhex(one["body"]) for word in service.key), one["method"]
        assert ("x-modal-token-secret" in one["metadata"]) != ("authorization" in one["metadata"]), one  # a sandbox's router has a token of its own
    assert any("authorization" in one["metadata"] for one in service.requests("TaskExecStart"))


@by_the_sdk
def test_what_the_service_refuses_is_told_in_words(place, service):
    for wrong, words in (({"MODAL_TOKEN_SECRET": "as-wrong"}, ("Token validation failed", "modal token new")),
                         ({"MODAL_SERVER_URL": "http://127.0.0.1:1"}, ("can't connect", "no answer came in time from http://127.0.0.1:1"))):
        failed = run(place, variables={**service.variables, **wrong})
        assert failed.returncode == 125 and all(word in failed.stderr for word in words), failed.stderr
        assert "Traceback" not in failed.stderr and "as-wrong" not in failed.stderr
    failed = run(place, variables=service.variables, destination="nowhere")
    assert "Environment 'nowhere' not found" in failed.stderr and "\x1b" not in failed.stderr, failed.stderr
    assert run(place, variables=service.variables, destination="lab").stdout == "42\n"


@by_the_sdk
def test_a_refused_sandbox_is_told_in_words(place):
    service = modal_service.StandIn(place.root, key_id="refusing")
    try:
        failed = run(place, variables=service.variables)
        assert failed.returncode == 125 and "can't create a sandbox: workspace is over its limit?[2J" in failed.stderr, failed.stderr
    finally:
        service.stop()


@by_the_sdk
def test_a_service_that_is_gone_ends_the_cell(place, service):
    policy = place.policy("modal", engine="modal", allow_unenforced=True, limits={"cell_time": "2m"})
    cell = subprocess.Popen([kernels.PROGRAM, "run", "--policy", policy, "--json", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            env={**place.environment(), **service.variables}, text=True)
    cell.stdin.write("import time\nprint('begun', flush=True)\ntime.sleep(100)\n")
    cell.stdin.close()
    assert leftovers.wait_until(lambda: len(service.requests("TaskExecStdinWrite")) > 1, 60)
    service.stop()
    answer = json.loads(cell.stdout.read())
    assert answer["status"] in ("killed", "unavailable") and "Traceback" not in str(answer["error"])
    assert cell.wait(60) in (125, 137)


def kernel_of(place, service):
    policy = place.policy("modal", engine="modal", allow_unenforced=True)
    kernel = kernels.Kernel(place, policy=policy, environment=service.variables)
    kernel.client.run("%%timeout 60\n1").ok()
    return kernel


@by_the_sdk
def test_a_killed_kernel_leaves_no_sandbox(place, service):
    kernel = kernel_of(place, service)
    tree = kernel.tree()
    os.kill(kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: service.ended() == ["TERMINATED"], 30), service.ended()
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20)
    kernel.kill()


@by_the_sdk
def test_all_killed_at_one_blow_leave_a_sandbox_for_the_next_start(place, service):
    kernel = kernel_of(place, service)
    tree = kernel.tree()
    leftovers.send(signal.SIGKILL, (kernel.pid, *tree))
    kernel.kill()
    assert not service.ended()
    cleaned = subprocess.run([kernels.PROGRAM, "clean", "modal"], env={**place.environment(), **service.variables},
                             capture_output=True, text=True, timeout=60)
    assert cleaned.stdout == "modal: removed 1\n", cleaned.stderr
    assert service.ended() == ["TERMINATED"]


@by_the_sdk
def test_a_sandbox_that_nobody_renews_ends_by_itself(place, service):
    assert run(place, variables=service.variables).stdout == "42\n"
    [created] = service.requests("SandboxCreateV2")
    python, dash, program = created["fields"]["definition"]["entrypoint_args"]
    assert (python, dash) == ("python3", "-c") and ", 300)[0]" in program
    own = subprocess.Popen([python, dash, program.replace(", 300)", ", 2)")], stdin=subprocess.PIPE)
    for _ in range(3):
        with pytest.raises(subprocess.TimeoutExpired):
            own.wait(1)
        own.stdin.write(b".")
        own.stdin.flush()
    assert own.wait(10) == 0
    own.stdin.close()


@by_the_sdk
def test_the_program_by_itself(place, service, tool):
    done = tool("run", "cellblock-a", "debian-slim", "512", "0", "60", "sh -c 'printf a; echo no >&2; exit 3'")
    assert (done.returncode, done.stdout, done.stderr) == (3, "a", "no\n")
    ended = tool("run", "cellblock-b", "debian-slim", "512", "0", "3", "sleep 100")
    assert ended.returncode == 1 and ended.stderr == "modal: the sandbox has ended: its 3 s are over\n"
    assert service.ended() == ["TERMINATED", "TIMEOUT"]
    assert tool("list").stdout == "" and tool("probe").returncode == 0


@by_the_sdk
def test_sandboxes_are_listed_and_killed_by_name(place, service, call, tool):
    python = service.variables["PATH"].partition(":")[0] + "/python3"
    names = ["cellblock-%d" % n for n in range(5)]
    others = ["evil\x1b[2J", "two words"]
    running = [subprocess.Popen([python, "-B", TOOL, "run", name, "debian-slim", "128", "0.5", "60", "sleep 100"], stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**service.variables}) for name in names + others]
    assert leftovers.wait_until(lambda: len(service.requests("TaskExecStart")) == 7, 60)
    assert sorted(tool("list").stdout.split()) == names
    assert tool("kill", names[2]).returncode == 0 and running[2].wait(20) == 1
    assert b"the sandbox has ended: it was terminated" in running[2].stderr.read()
    assert sorted(tool("list").stdout.split()) == names[:2] + names[3:]
    for one, number in ((running[0], signal.SIGTERM), (running[1], signal.SIGINT), (running[3], signal.SIGHUP), *((one, signal.SIGTERM) for one in running[4:])):
        one.send_signal(number)
        assert one.wait(20) == 1
    assert service.ended() == ["TERMINATED"] * 7
    for one in running:
        one.stdin.close()
        assert b"Traceback" not in one.stderr.read()
        one.stderr.close()
