"""Kubernetes, on a real cluster of one machine: what the API takes, who owns what, who may do what, and what is left."""

import glob
import json
import os
import re
import signal
import subprocess

import pytest

from support import kernels, leftovers

from . import engines
from .kubernetes import cluster as of_cluster

pytestmark = [pytest.mark.long, pytest.mark.seconds(1500)]  # the first waits for the build
NAMESPACE, OTHER = of_cluster.NAMESPACES
LIMITS = {"memory": "256MiB", "processes": 64, "disk": "16MiB"}


@pytest.fixture(scope="module")
def cluster():
    try:
        return engines.the_cluster()
    except engines.NotHere as why:
        pytest.skip("kubernetes: %s" % why)


@pytest.fixture
def call(cluster, place):
    """Runs our program as a user of the cluster."""
    def run(*argv, user="admin", code=None):
        return subprocess.run([kernels.PROGRAM, *argv], input=code, env={**place.environment(), **cluster.environment(user)},
                              capture_output=True, text=True, timeout=120, cwd=place.root / "work")
    return run


@pytest.fixture
def policy(place):
    def make(**changes):
        keys = {"engine": "kubernetes", "destination": NAMESPACE, "python": "python3",
                **changes, "limits": {**LIMITS, **changes.get("limits", {})}}
        return place.policy("kubernetes", **keys)
    return make


@pytest.fixture
def kernel(cluster, place, policy):
    kernel = kernels.Kernel(place, policy=policy(), environment=cluster.environment())
    kernel.client.run("1").ok()
    yield kernel
    kernel.stop()
    assert leftovers.wait_until(lambda: not cluster.names("pods,networkpolicies"), 20), cluster.names("pods,networkpolicies")


def manifests(place):
    """What the sandbox that runs was made of."""
    [folder] = glob.glob(str(place.root / "tmp" / "cellblock-*"))
    for name in ("pod.json", "network-policy.json"):
        with open(os.path.join(folder, name)) as file:
            yield json.load(file)


def check(cluster, manifest):
    """Asks the API, which stores nothing."""
    manifest["metadata"]["name"] = "checked"
    return cluster.try_kubectl("create", "--dry-run=server", "--validate=strict", "--namespace=" + NAMESPACE, "--filename=-",
                               stdin=json.dumps(manifest))


def test_the_api_takes_both_strictly_and_without_a_warning(cluster, place, kernel):
    for manifest in manifests(place):
        checked = check(cluster, manifest)
        assert checked.returncode == 0 and not checked.stderr, checked.stderr


@pytest.mark.parametrize("change, words", [
    (lambda spec: spec.update(hostNetwork=True), "violates PodSecurity"),
    (lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"), "violates PodSecurity"),
    (lambda spec: spec["securityContext"].pop("seccompProfile"), "violates PodSecurity"),
    (lambda spec: spec.update(runtimeClass="gvisor"), "unknown field"),
    (lambda spec: spec.update(runtimeClassName="missing"), "not found"),
])
def test_the_api_would_refuse_a_weaker_pod(cluster, place, kernel, change, words):
    """That the check above can fail."""
    pod = next(manifests(place))
    change(pod["spec"])
    checked = check(cluster, pod)
    assert checked.returncode != 0 and words in checked.stderr, checked.stderr


def test_the_pod_as_the_cluster_has_it(cluster, kernel):
    pods, rules = (json.loads(cluster.kubectl("get", kind, "--namespace=" + NAMESPACE, "--output=json"))["items"]
                   for kind in ("pods", "networkpolicies"))
    [pod], [rule] = pods, rules
    assert pod["spec"]["runtimeClassName"] == "gvisor" and pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["activeDeadlineSeconds"] == 86400 and pod["status"]["qosClass"] == "Guaranteed"
    assert all("emptyDir" in volume for volume in pod["spec"]["volumes"]), "a token was mounted"
    assert [owner["uid"] for owner in rule["metadata"]["ownerReferences"]] == [pod["metadata"]["uid"]]
    assert rule["spec"] == {"podSelector": {"matchLabels": {"cellblock": pod["metadata"]["name"]}},
                            "policyTypes": ["Ingress", "Egress"]}


def test_cells_cannot_reach_the_pods_first_process_and_leave_it_no_zombies(kernel):
    run = kernel.client.run("for name in ('mem', 'environ'):\n    try: open('/proc/1/' + name, 'rb').read(1); print('reached', name)\n"
                            "    except OSError as error: print(error.errno)\n"
                            "import os, signal, subprocess\nos.kill(1, signal.SIGTERM)\n"
                            "for _ in range(100): subprocess.run(['sh', '-c', 'sleep 0 & exit 0'])")
    assert run.ok().stdout == "13\n13\n"
    assert kernel.client.run("1").result == "1"


def test_what_the_doctor_finds_is_what_is_documented(call, policy):
    """SECURITY.md: with runc, a pod's /sys is the machine's. The image has setuid programs, which give nobody a right."""
    done = call("doctor", "--policy", policy(), "--json")
    endings = {one["id"]: one["ending"] for one in json.loads(done.stdout)["attempts"]}
    assert {one for one in endings if endings[one] == "reached"} <= {"hardware", "setuid_program", "many_files"}, endings
    assert list(endings.values()).count("stopped") > 55, endings


def test_the_network_policy_outlives_the_pod(cluster, place, policy):
    kernel = kernels.Kernel(place, policy=policy(), environment=cluster.environment())
    kernel.client.run("1").ok()
    kernel.stop()
    while rules := cluster.names("networkpolicies"):
        pass
    assert not rules and not cluster.names("pods"), "a pod without its network policy"


def test_a_role_with_the_rights_that_are_documented_is_enough(cluster, call, policy):
    refused = call("run", "--policy", policy(), "-", user="student", code="6 * 7")
    assert refused.returncode == 125 and "forbidden" in refused.stderr, refused.stderr
    text = (kernels.REPO / "sandbox" / "engines" / "README.md").read_text()
    role = re.search(r"```yaml\n(.*?)```", text, re.DOTALL).group(1)
    cluster.kubectl("create", "--namespace=" + NAMESPACE, "--filename=-", stdin=role)
    cluster.kubectl("create", "rolebinding", "cellblock", "--namespace=" + NAMESPACE, "--role=cellblock", "--user=student")
    run = call("run", "--policy", policy(), "-", user="student", code="6 * 7")
    assert run.stdout.strip() == "42", run.stderr
    assert leftovers.wait_until(lambda: not cluster.names("pods,networkpolicies"), 20)


# --- what it says when it can't

@pytest.mark.parametrize("changes, words", [
    ({"image": "missing:1"}, "ErrImagePull"),
    ({"destination": "nowhere"}, "not found"),
    ({"python": "python9"}, "executable file not found"),
    ({"limits": {"memory": "8TiB", "start_time": "6s"}}, "Insufficient memory"),
])
def test_a_pod_that_does_not_start_says_why(cluster, call, policy, changes, words):
    run = call("run", "--policy", policy(**changes), "-", code="1")
    assert run.returncode == 125 and words in run.stderr, run.stderr
    assert leftovers.wait_until(lambda: not cluster.names("pods,networkpolicies"), 20)


def test_a_pod_that_is_taken_away_says_so_and_the_next_cell_has_another(cluster, kernel):
    request = kernel.client.execute("import time\nprint('going', flush=True)\ntime.sleep(50)")
    kernel.client.first(request, "stream")
    cluster.kubectl("delete", "pods", "--all", "--namespace=" + NAMESPACE, "--grace-period=0", "--force")
    reply = kernel.client.first(request, "execute_reply")
    kernel.client.finish(request)
    assert reply.content["ename"] == "WorkerDied" and "NotFound" in reply.content["evalue"], reply.content
    assert "runtime class" not in reply.content["evalue"], "advice for a start"
    assert kernel.client.run("%%timeout 60\n6 * 7").ok().result == "42"


def test_a_pod_ends_at_its_own_deadline(cluster, place, call, policy):
    with open(kernels.REPO / "share" / "cellblock" / "engines" / "kubernetes.json") as file:
        template = json.load(file)
    template["files"]["pod.json"]["spec"]["activeDeadlineSeconds"] = 6
    folder = place.root / "config" / "cellblock" / "engines"
    folder.mkdir(parents=True)
    (folder / "short.json").write_text(json.dumps(template))
    run = call("run", "--policy", policy(engine="short"), "-", code="import time\ntime.sleep(50)")
    assert "DeadlineExceeded" in run.stderr, run.stderr


# --- what is left of killed ones

def crafted(boot, pod, owner="1", start="7"):
    """A name as new_sandbox_name() makes them. No process started so early."""
    return "-".join(("cellblock", boot, str(os.stat("/proc/self/ns/pid").st_ino), owner, start, pod))


def add_pod(cluster, name, namespace, code):
    limits = {"memory": "64Mi", "cpu": "100m"}
    inner = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    cluster.create({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": "cellblock"}},
                    "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1,
                             "securityContext": {"runAsNonRoot": True, "runAsUser": 20000, "seccompProfile": {"type": "RuntimeDefault"}},
                             "containers": [{"name": "cell", "image": "cellblock", "imagePullPolicy": "IfNotPresent",
                                             "command": ["python3", "-c", code], "resources": {"limits": limits},
                                             "securityContext": inner}]}})


def pods(cluster):
    return {name.removeprefix("pod/") for name in cluster.names("pods")}


SLEEP = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); signal.sigwait([15])"


def test_clean_finds_them_in_every_namespace_and_leaves_others_alone(cluster, call):
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read()[:8]
    here, there = crafted(boot, "aaaaaa"), crafted(boot, "bbbbbb")
    elsewhere, over = crafted("00000000", "cccccc"), crafted("00000000", "dddddd")
    stranger = "cellblock-of-somebody"
    for name, namespace, code in ((here, NAMESPACE, SLEEP), (there, OTHER, SLEEP), (elsewhere, OTHER, SLEEP),
                                  (over, OTHER, "pass"), (stranger, OTHER, SLEEP)):
        add_pod(cluster, name, namespace, code)
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/" + over, "--namespace=" + OTHER, "--timeout=50s")
    assert call("clean", "--destination", NAMESPACE, "kubernetes").stdout == "kubernetes: removed 1\n"
    assert leftovers.wait_until(lambda: pods(cluster) == {there, elsewhere, over, stranger}, 20), pods(cluster)
    assert call("clean", "kubernetes").stdout == "kubernetes: removed 2\n"
    assert leftovers.wait_until(lambda: pods(cluster) == {elsewhere, stranger}, 20), pods(cluster)
    cluster.kubectl("delete", "pods", "--all", "--namespace=" + OTHER)


def test_clean_says_where_it_may_not_look(call):
    refused = call("clean", "kubernetes", user="scheduler")
    assert refused.returncode == 0, refused.stderr  # it may list pods, and there are none
    refused = call("clean", "kubernetes", user="nobody")
    assert refused.returncode == 1 and "forbidden" in refused.stderr.lower(), refused.stderr
    assert call("clean", user="nobody").stderr == ""


def test_owner_and_relay_killed_at_one_blow(cluster, place, policy, call):
    kernel = kernels.Kernel(place, policy=policy(), environment=cluster.environment())
    kernel.client.run("1").ok()
    tree = kernel.tree()
    leftovers.send(signal.SIGKILL, (kernel.pid, *tree))
    kernel.kill()
    [left] = pods(cluster)
    again = call("run", "--policy", policy(), "-", code="import time; time.sleep(5); print(1)")  # a start sweeps
    assert again.stdout == "1\n", again.stderr
    assert leftovers.wait_until(lambda: left not in pods(cluster), 20)
    assert leftovers.wait_until(lambda: not cluster.names("pods,networkpolicies"), 20)
