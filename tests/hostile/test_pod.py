"""In a container as Kubernetes starts a user's server: uid 1000, no capabilities, no_new_privs, a runtime's filter, parts of /proc covered.

The root is the host's own files, read-only; runc makes the container, with the policy of examples/hub.
"""

import json
import os
import shutil
import subprocess
import uuid

import pytest
from support import kernels

POLICY = kernels.REPO / "examples" / "hub" / "pod.json"
USER = 1000
NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW…
# Of what runtimes refuse a container without capabilities: what could help to make a sandbox, or to break out of one.
REFUSED = ["unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsmount", "fsconfig", "mount_setattr",
           "bpf", "perf_event_open", "keyctl", "add_key", "request_key", "userfaultfd", "open_by_handle_at", "sethostname", "setdomainname", "syslog",
           "quotactl", "swapon", "swapoff", "reboot", "init_module", "finit_module", "delete_module", "kexec_load", "acct", "settimeofday",
           "clock_settime", "iopl", "ioperm", "pidfd_getfd", "process_madvise", "kcmp", "mbind", "set_mempolicy", "get_mempolicy", "vhangup"]
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

PLOT = """
import os
import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.show()
print("sum", sum(range(10)))
for path in ("/home/jovyan/secret.txt", "/proc/1/environ"):
    try:
        open(path).read()
        print("read", path)
    except OSError as error:
        print(type(error).__name__)
"""


def mount(kind, target, *options, source=None):
    return {"type": kind, "destination": target, "source": source or kind, "options": list(options)}


def seen(path):
    """A file or folder of the host's, at its own place."""
    return mount("bind", str(path), "rbind", "ro", "nosuid", "nodev", source=str(path))


def config(argv, folders, home, environment, filtered):
    empty = {name: [] for name in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    return {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": USER, "gid": USER}, "args": argv, "cwd": "/home/jovyan", "noNewPrivileges": True,
                    "env": ["%s=%s" % one for one in environment.items()], "capabilities": empty},
        "root": {"path": "root", "readonly": True}, "hostname": "pod",
        "mounts": [mount("proc", "/proc"), mount("tmpfs", "/dev", "nosuid", "mode=755", "size=65536k"),
                   mount("devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
                   mount("tmpfs", "/dev/shm", "nosuid", "noexec", "nodev", "mode=1777", "size=64m"),
                   mount("sysfs", "/sys", "nosuid", "noexec", "nodev", "ro"), mount("tmpfs", "/tmp", "nosuid", "nodev", "mode=1777"),
                   *map(seen, folders),
                   mount("bind", "/home/jovyan", "rbind", "rw", "nosuid", "nodev", source=str(home))],
        "linux": {"namespaces": [{"type": one} for one in ("pid", "ipc", "uts", "mount", "network")], "maskedPaths": MASKED, "readonlyPaths": READ_ONLY,
                  **({"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], "syscalls": [
                      {"names": REFUSED, "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
                      {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
                      *({"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [
                          {"index": 0, "value": 1 << bit, "valueTwo": 1 << bit, "op": "SCMP_CMP_MASKED_EQ"}]}
                        for bit in range(32) if NAMESPACE_FLAGS >> bit & 1)]}} if filtered else {})},
    }


# Without `seccompProfile` (or the kubelet's seccompDefault) a pod has no filter: namespaces can be made there, but no /proc of their own.
@pytest.fixture(params=[True, False], ids=["the runtime's filter", "no filter"])
def is_filtered(request):
    return request.param


@pytest.fixture
def pod(place, is_filtered):
    """pod(argv…) runs that in such a container; gives the finished process."""
    if os.geteuid() != 0:
        pytest.skip("runc makes a container of another user as root alone")
    if not shutil.which("runc"):
        pytest.skip("no runc here: apt-get install runc")
    bundle, home = place.root / "pod", place.root / "jovyan"
    (bundle / "root").mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (bundle / "root" / name).symlink_to("usr/" + name)
    home.mkdir()
    (home / "secret.txt").write_text("mine")
    for path in (home, home / "secret.txt"):
        os.chown(path, USER, USER)
    program = os.path.realpath(kernels.PROGRAM)
    folders = {"/usr", "/etc", os.path.dirname(os.path.dirname(program)), str(kernels.REPO)}
    variables = {"PATH": os.path.dirname(program) + ":/usr/bin:/bin", "HOME": "/home/jovyan", "LANG": "C.UTF-8", "CELLBLOCK_DAEMON": "0"}

    def run(*argv, text=None, time=120):
        (bundle / "config.json").write_text(json.dumps(config(list(map(str, argv)), sorted(folders), home, variables, is_filtered)))
        name = "cellblock-test-pod-" + uuid.uuid4().hex[:8]
        try:
            return subprocess.run(["runc", "--root", place.root / "runc", "run", "--bundle", bundle, name], input=text, capture_output=True, text=True,
                                  timeout=time, check=False)
        finally:
            subprocess.run(["runc", "--root", place.root / "runc", "delete", "--force", name], capture_output=True, check=False, timeout=30)

    return run


def test_the_container_is_what_a_pod_is(pod, is_filtered):
    """Else what follows would show nothing."""
    told = pod("sh", "-c", "id -u; grep -E 'CapBnd|CapEff|NoNewPrivs|Seccomp:' /proc/self/status; unshare --user --map-root-user true; "
                           "unshare --user --map-root-user --mount --pid --fork --mount-proc true")
    words = told.stdout.split()
    assert words == ["1000", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2" if is_filtered else "0"], told.stdout + told.stderr
    assert told.stderr.count("Operation not permitted") == (2 if is_filtered else 1), told.stderr


def test_the_default_policy_runs_no_code_there_and_says_what_to_do(pod, is_filtered):
    told = pod("cellblock", "run", "--json", "--python", "/usr/bin/python3", "-", text="print(1)")
    error = json.loads(told.stdout)["error"]["evalue"]
    assert json.loads(told.stdout)["status"] == "unavailable" and ("no-namespaces" if is_filtered else "hides parts of /proc") in error, error


def test_the_examples_policy_keeps_its_promise_there(pod):
    told = pod("cellblock", "doctor", "--json", "--policy", POLICY, "--python", "/usr/bin/python3")
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    stand = {one["layer"] for one in found["layers"] if one["in_force"]}
    assert found["promise_holds"] and {"landlock", "seccomp", "capabilities", "rlimits"} <= stand, found["layers"]
    assert not [one for one in found["attempts"] if one["ending"] not in ("stopped", "not_promised", "not_tried")]


def test_a_session_there_plots_and_sees_nothing_of_its_users(pod, place):
    told = pod("cellblock", "run", "--json", "--policy", POLICY, "--python", "/usr/bin/python3", "-", text=PLOT)
    result = json.loads(told.stdout)
    assert result["status"] == "ok", result
    assert [one for one in result["results"] if "image/png" in one], result
    assert result["stdout"].split() == ["sum", "45", "PermissionError", "PermissionError"], result["stdout"]


def test_a_kernel_there_serves_a_jupyter_client(pod):
    told = pod("sh", "-c", "cellblock install --user --policy %s --python /usr/bin/python3 >&2 && "
                           "python3 %s /home/jovyan/plot.png && ls -l /home/jovyan/plot.png" % (POLICY, kernels.REPO / "examples" / "zmq_client.py"))
    assert told.returncode == 0 and "hello from the sandbox" in told.stdout and "the plot is in" in told.stdout, told.stdout + told.stderr
