"""Engines as templates: the table of them, mistakes, one's own, and what is left of killed ones."""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from support import kernels, leftovers

SHIPPED = {"native", "bubblewrap", "crun", "docker", "e2b", "kata", "kubernetes", "modal", "podman", "runc", "runsc", "slurm", "srt",
           "ssh", "youki"}
# Python itself as the engine: nothing but the way through stdin and stdout.
PLAIN = {"description": "plain Python", "isolation": "none", "needs": "python3", "probe": ["true"],
         "argv": ["env", "-i", "PATH=/usr/bin:/bin", "TMPDIR={path}", ["{start.word}"]], "enforces": [], "layers": [],
         "private_processes": False, "children": True}


def call(place, *argv, code=None, environment=None):
    return subprocess.run([kernels.PROGRAM, *argv], input=code, env={**place.environment(), **(environment or {})},
                          capture_output=True, text=True, timeout=120, cwd=place.root / "work")


def template(place, name="mine", **changes):
    folder = place.root / "config" / "cellblock" / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    made = {**PLAIN, **changes}
    made["argv"] = [word.replace("{path}", str(place.root / "tmp")) if isinstance(word, str) else word for word in made["argv"]]
    (folder / (name + ".json")).write_text(json.dumps(made))
    return name


def test_the_table_tells_of_every_engine(place):
    listed = [json.loads(line) for line in call(place, "engines", "--json").stdout.splitlines()]
    assert {one["engine"] for one in listed} == SHIPPED
    for one in listed:
        assert one["description"] and one["isolation"] and one["usable"] == (not one["why_not"]), one


def test_a_template_of_ones_own_runs_a_notebook_cell(place):
    policy = place.policy(engine=template(place), allow_unenforced=True)
    run = call(place, "run", "--policy", policy, "--json", "-", code="import os\nprint(os.getcwd())\n6 * 7")
    answer = json.loads(run.stdout)
    assert answer["status"] == "ok" and answer["results"][0]["text/plain"] == "42", answer
    assert answer["stdout"].startswith(str(place.root / "tmp" / "cellblock-"))
    assert not list((place.root / "tmp").iterdir())


def own_group(controller):
    """This process's folder of that hierarchy of control groups; None: there is none."""
    for line in open("/proc/self/cgroup"):
        _, names, path = line.rstrip("\n").split(":", 2)
        if controller in names.split(","):
            folder = pathlib.Path("/sys/fs/cgroup/%s%s" % (controller, path))
            return folder if os.access(folder, os.W_OK) else None
    return None


def test_control_groups_that_a_runtime_was_making_when_it_was_killed_go(place):
    """It knows nothing of them then, so its own `delete` leaves them."""
    group = own_group("freezer")
    if group is None:
        pytest.skip("no control groups of version 1 that may be made")
    engine = template(place, bundle=True, host_files=True, argv=["sh", "-c", "echo $0 > %s/made; mkdir %s/$0; kill -9 $$" % (place.root / "work", group), "{name}"])
    run = call(place, "run", "--policy", place.policy(engine=engine, allow_unenforced=True), "-", code="1")
    assert run.returncode == 125 and "signal 9" in run.stderr, run.stderr
    made = (place.root / "work" / "made").read_text().strip()
    assert made.startswith("cellblock-") and not (group / made).exists()


def test_what_it_cannot_keep_is_refused_by_name(place):
    run = call(place, "run", "--policy", place.policy(engine=template(place, private_processes=False, children=False)), "-", code="1")
    assert run.returncode == 125
    for word in ("limits.memory", "limits.disk", "network", "allow_unenforced"):
        assert word in run.stderr, run.stderr


@pytest.mark.parametrize("changes, words", [
    ({"enforces": ["limits.memroy"]}, ("mine.json", "enforces", "did you mean limits.memory")),
    ({"chidren": True}, ("mine.json", "chidren", "did you mean children")),
    ({"argv": ["run", "{memry}"]}, ("mine.json", "argv", "{memory}")),
])
def test_a_mistake_is_told_with_file_and_key(place, changes, words):
    run = call(place, "run", "--policy", place.policy(engine=template(place, **changes)), "-", code="1")
    assert run.returncode in (2, 125) and all(word in run.stderr for word in words), run.stderr


def test_a_python_without_ipython_says_what_to_install(place):
    bare = place.root / "bare"
    subprocess.run([kernels.PYTHON, "-m", "venv", "--without-pip", str(bare)], check=True)
    policy = place.policy(engine=template(place), allow_unenforced=True, python=str(bare / "bin" / "python3"))
    run = call(place, "run", "--policy", policy, "-", code="1")
    assert run.returncode == 125 and "pip install ipython" in run.stderr, run.stderr


def test_what_a_login_shell_says_is_no_part_of_it(place):
    words = "echo Welcome to this machine; echo again >&2; exec env TMPDIR=%s {start_in_shell}" % (place.root / "tmp")
    policy = place.policy(engine=template(place, argv=["sh", "-c", words]), allow_unenforced=True)
    run = call(place, "run", "--policy", policy, "-", code="print(1)")
    assert run.stdout == "1\n", (run.stdout, run.stderr)


@pytest.mark.parametrize("noise", ["head -c 1000000 /dev/zero", "echo something else; exit 3",
                                   "printf '\\000cellblock relay 1\\n\\002\\377\\377\\377\\377\\377\\377\\377\\377'; sleep 30"])
def test_a_far_end_that_is_none_of_ours_ends_with_a_reason(place, noise):
    policy = place.policy(engine=template(place, argv=["sh", "-c", noise]), allow_unenforced=True)
    run = call(place, "run", "--policy", policy, "-", code="print(1)")
    assert run.returncode == 125 and "SandboxUnavailable" in run.stderr and len(run.stderr) < 6000, run.stderr[:3000]


def frame(kind, channel, length=0, data=b""):
    return bytes([kind]) + struct.pack(">II", channel, length or len(data)) + data


OPEN, DATA, CREDIT, CLOSE, END, FIRST = 1, 2, 3, 4, 5, 1 << 31
ONE = frame(OPEN, FIRST + 1)
FORGED = {
    "more opened than permitted": b"".join(frame(OPEN, FIRST + 1 + n) for n in range(9)), "not the next number": frame(OPEN, FIRST + 2),
    "the same twice": ONE + ONE, "the host's number": frame(OPEN, 1), "never opened": frame(DATA, FIRST + 1, data=b"x"),
    "data after close": ONE + frame(CLOSE, FIRST + 1) + frame(DATA, FIRST + 1, data=b"x"), "closed twice": ONE + 2 * frame(CLOSE, FIRST + 1),
    "data after end": ONE + frame(END, FIRST + 1) + frame(DATA, FIRST + 1, data=b"x"), "credit of its own": frame(CREDIT, FIRST, 5),
    "more than the window": ONE + 20 * frame(DATA, FIRST + 1, data=bytes(65536)), "a frame too long": ONE + frame(DATA, FIRST + 1, 65537),
    "too much credit": ONE + frame(CREDIT, FIRST + 1, 1), "the warden's end": frame(END, 0)}


def forger(place, frames):
    """The name of an engine whose far end says this, and nothing more."""
    file = place.root / "work" / "forged"
    file.write_bytes(b"\0cellblock relay 1\n" + frames)
    return template(place, argv=["sh", "-c", "cat %s; sleep 30" % file], enforces=["network", "network.allow"])


@pytest.mark.parametrize("name", FORGED)
def test_a_far_end_that_forges_connections_is_ended(place, name):
    mine = forger(place, FORGED[name])
    policy = place.policy(engine=mine, allow_unenforced=True, network={"allow": ["a.example"], "connections": 4})
    run = call(place, "run", "--policy", policy, "-", code="print(1)")
    assert run.returncode == 125 and "broke its protocol" in run.stderr, run.stderr


FLOOD = """
import itertools, os, struct
os.write(1, b"\\0cellblock relay 1\\n")
for number in itertools.count((1 << 31) + 1):
    frames = struct.pack(">BIIBII", 1, number, 0, 5, number, 0)
    while frames: frames = frames[os.write(1, frames):]
"""


def test_without_a_proxy_no_connection_is_carried(place):
    run = call(place, "run", "--policy", place.policy(engine=forger(place, ONE), allow_unenforced=True), "-", code="print(1)")
    assert run.returncode == 125 and "more connections than it was permitted" in run.stderr, run.stderr


def test_a_far_end_that_opens_and_ends_without_asking_is_ended(place):
    mine = template(place, argv=["python3", "-c", FLOOD.replace("{", "{{")], enforces=["network", "network.allow"])
    policy = place.policy(engine=mine, allow_unenforced=True, network={"allow": ["a.example"]})
    run = call(place, "run", "--policy", policy, "-", code="print(1)")
    assert run.returncode == 125 and "more connections than it was permitted" in run.stderr, run.stderr


def test_where_the_proxys_port_cant_be_had_nothing_runs(place):
    """A template that promises more than it gives: its loopback is the host's, and somebody has the port."""
    mine = template(place, enforces=["network", "network.allow"])
    policy = place.policy(engine=mine, allow_unenforced=True, network={"allow": ["a.example"]})
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 3128))
        run = call(place, "run", "--policy", policy, "-", code="print('ran')")
    assert run.returncode == 125 and "network.allow" in run.stderr and 'layer "network"' in run.stderr and "ran" not in run.stdout, run.stderr


@pytest.mark.parametrize("limits", [True, False])
def test_shared_memory_is_to_be_had_where_the_engine_limits_the_sum(place, limits):
    """No process is charged for it, so that a cell gets none where nothing else counts it."""
    mine = template(place, children=False, enforces=["limits.memory"] * limits)  # no control group of ours
    policy = place.policy(engine=mine, allow_unenforced=True)
    run = call(place, "run", "--policy", policy, "-", code="import mmap; print(len(mmap.mmap(-1, 4096)))")
    assert run.stdout == "4096\n" * limits and ("PermissionError" in run.stderr) != limits, run.stderr


def test_where_the_loopback_is_down_nothing_runs(place):
    mine = template(place, argv=["unshare", "--user", "--net", *PLAIN["argv"]], enforces=["network", "network.allow"])
    policy = place.policy(engine=mine, allow_unenforced=True, network={"allow": ["a.example"]})
    run = call(place, "run", "--policy", policy, "-", code="print('ran')")
    assert run.returncode == 125 and "network.allow" in run.stderr and "loopback is up" in run.stderr and "ran" not in run.stdout, run.stderr


def test_without_docker_one_sentence_says_what_to_do(place):
    environment = {"DOCKER_HOST": "unix:///nonexistent/socket"}
    run = call(place, "run", "--policy", place.policy(engine="docker"), "-", code="1", environment=environment)
    assert run.returncode == 125 and "systemctl start docker" in run.stderr or "no program docker" in run.stderr, run.stderr


def test_of_several_engines_the_first_usable_is_taken(place):
    environment = {"DOCKER_HOST": "unix:///nonexistent/socket"}
    policy = place.policy(engine=["docker", template(place), "native"])
    run = call(place, "run", "--policy", policy, "-", code="import os; print(os.getcwd())", environment=environment)
    assert run.stdout == "/work\n", run.stderr  # neither one that isn't here nor one that is weaker
    none = call(place, "run", "--policy", place.policy(engine=["docker", "mine"]), "-", code="1", environment=environment)
    assert none.returncode == 125 and "docker" in none.stderr and "limits.disk" in none.stderr, none.stderr


def test_one_that_is_there_but_does_not_work_is_passed_over(place):
    broken = template(place, "broken", argv=["sh", "-c", "echo it is out of order >&2; exit 1"])
    policy = place.policy(engine=[broken, "native"], allow_unenforced=True)
    assert call(place, "run", "--policy", policy, "-", code="import os; print(os.getcwd())").stdout == "/work\n"
    listed = [json.loads(line) for line in call(place, "engines", "--json", "--policy", policy).stdout.splitlines()]
    assert "out of order" in next(one["why_not"] for one in listed if one["engine"] == broken)


def test_owner_and_relay_killed_at_one_blow_leave_nothing_for_long(place):
    if not shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        pytest.skip("there is no program runc")
    policy = place.policy(engine="runc")
    kernel = kernels.Kernel(place, policy=policy)
    kernel.client.run("1").ok()
    tree = kernel.tree()
    relay = [pid for pid in tree if "cellblock relay" in leftovers.command_line(pid)]
    leftovers.send(signal.SIGKILL, (kernel.pid, *relay))
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), leftovers.living(tree)
    kernel.kill()
    assert [one for one in (place.root / "tmp").iterdir() if one.name.startswith("cellblock-")]
    assert call(place, "clean", "runc").stdout == "runc: removed 1\n"
    assert not [one for one in (place.root / "tmp").iterdir() if one.name.startswith("cellblock-")]
    call(place, "run", "--policy", policy, "-", code="1")  # a start sweeps the control groups


def test_clean_looks_where_the_template_says_and_removes_what_is_nobodys(place):
    """Orphans of this machine, and what has ended of itself, by place and name."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read()[:8]
    names = {word: "cellblock-%s-%d-1-7-%s" % (which, os.stat("/proc/self/ns/pid").st_ino, word)
             for word, which in (("orphan", boot), ("foreign", "00000000"), ("ended", "00000000"))}
    listed = "a/%(orphan)s\nb/%(foreign)s\nb/%(ended)s ended\nc/cellblock-x ended\n" % names
    template(place, list=["sh", "-c", "printf %%s \"$1\"; echo \"$2\" >>%s/asked" % place.root, "x", listed, "{destination}"],
             kill=["sh", "-c", "echo \"$1\" >>%s/removed" % place.root, "x", "{destination}/{name}"])
    assert call(place, "clean", "mine").stdout == "mine: removed 2\n"
    assert (place.root / "removed").read_text().split() == ["a/" + names["orphan"], "b/" + names["ended"]]
    call(place, "clean", "--destination", "there", "mine")
    for times, where in ((3, ""), (4, "here")):  # a start looks too
        call(place, "run", "--policy", place.policy(engine="mine", allow_unenforced=True, destination=where), "-", code="1")
        leftovers.wait_until(lambda: (place.root / "asked").read_text().count("\n") == times, 5)
    assert (place.root / "asked").read_text() == "\nthere\n\nhere\n"
    template(place, list=["sh", "-c", "echo nobody may look >&2; exit 1"], kill=["true"])
    refused = call(place, "clean", "mine")
    assert refused.returncode == 1 and "nobody may look" in refused.stderr, refused.stderr
    quiet = call(place, "clean", "--quiet", "mine")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, "", "")


RECORDER = """#!/usr/bin/python3
import os, sys
with open(os.path.dirname(__file__) + "/calls", "a") as file:
    file.write(" ".join(sys.argv[1:]).split("\\n")[0] + "\\n")
if "create" in sys.argv:
    open(os.path.dirname(__file__) + "/manifests", "a").write(sys.stdin.read() + "\\n")
    print("uid-of-the-pod", end="")
if "exec" in sys.argv:
    at = sys.argv.index("--") + 1
    os.environ["TMPDIR"] = os.path.dirname(__file__)
    os.execvp(sys.argv[at], sys.argv[at:])
"""


def test_kubernetes_gets_a_restricted_pod_and_a_network_policy(place):
    """Against a recorder: what kubectl is told. What a cluster does with it, test_kubernetes tries (--long)."""
    folder = place.root / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(RECORDER)
    (folder / "kubectl").chmod(0o755)
    policy = place.policy(engine="kubernetes", destination="lab", image="team/data", limits={"memory": "512MiB", "processes": 500})
    run = call(place, "run", "--policy", policy, "-", code="6 * 7", environment={"PATH": "%s:/usr/bin:/bin" % folder})
    assert run.stdout.strip() == "42", run.stderr
    pod, rules = map(json.loads, (folder / "manifests").read_text().splitlines())
    assert rules["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"],
                                                     "uid": "uid-of-the-pod"}]
    assert rules["spec"] == {"podSelector": {"matchLabels": {"cellblock": pod["metadata"]["name"]}},
                             "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": []}
    assert pod["metadata"]["labels"]["cellblock"] == pod["metadata"]["name"] and len(pod["metadata"]["name"]) <= 63
    spec, [container] = pod["spec"], pod["spec"]["containers"]
    assert spec["runtimeClassName"] == "gvisor" and spec["automountServiceAccountToken"] is False
    assert spec["activeDeadlineSeconds"] == 86400 and spec["restartPolicy"] == "Never"
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] >= 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(set(volume) == {"name", "emptyDir"} for volume in spec["volumes"])
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"] == 512 << 20 and container["image"] == "team/data"
    calls = [line for line in (folder / "calls").read_text().splitlines() if "get" not in line.split()]  # a sweep
    kinds = [next(word for word in line.split() if word in ("create", "wait", "exec", "delete")) for line in calls]
    assert kinds == ["create", "create", "wait", "exec", "delete"] and all("--namespace=lab" in line for line in calls)
