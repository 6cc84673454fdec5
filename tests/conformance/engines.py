"""The engines under test: what each needs to run here, made ready once and taken away at the end."""

import contextlib
import fcntl
import getpass
import os
import shutil
import socket
import subprocess
import time

import pytest

from support import beside, kernels, leftovers

from . import modal_service
from .kubernetes import build, cluster

QUICK = ("native", "bubblewrap", "bubblewrap warm", "runc")  # warm: from the daemon's pool
LONG = ("runc warm", "crun", "youki", "runsc", "podman", "podman warm", "docker", "docker warm", "kata", "srt", "ssh",
        "slurm", "e2b", "modal", "kubernetes")
# What an engine can't keep by its nature; its checks are left out and say so.
ELSEWHERE = ("memory", "memory_of_many", "memory_limit", "processes", "disk", "disk_of_files", "secret_file", "environment",
             "root_is_read_only", "network_by_list", "network_secrets")
# /proc is the engine's own affair, or that of the other machine, and so is the number of terminals.
OWN_PROC = ("proc", "terminals")
WITHOUT = {"ssh": (*ELSEWHERE, *OWN_PROC, "shown_pipe"), "slurm": (*ELSEWHERE, *OWN_PROC, "shown_pipe"),
           "e2b": (*ELSEWHERE, *OWN_PROC, "shown_pipe"), "modal": (*ELSEWHERE, *OWN_PROC, "shown_pipe"),
           "srt": ("disk", "disk_of_files", "secret_file", "network_by_list", "network_secrets", *OWN_PROC, "shown_pipe"),
           "bubblewrap": ("terminals",), "podman": ("terminals",),
           "docker": OWN_PROC, "kata": OWN_PROC, "kubernetes": ("network_by_list", "network_secrets", *OWN_PROC, "shown_pipe"),
           # What the kernel kills is a part of gVisor, and the cell hangs until its deadline.
           "runsc": ("memory_limit", *OWN_PROC, "shown_pipe")}


class NotHere(Exception):
    """Why an engine can't run on this machine."""


class Prepared:
    """What an engine's policy and environment must have."""

    def __init__(self, policy=None, environment=None, close=lambda: None):
        self.policy, self.environment, self.close = policy or {}, environment or {}, close


def chosen():
    """$CELLBLOCK_ENGINES, or the quick ones; with tests/run --long all."""
    if os.environ.get("CELLBLOCK_ENGINES"):
        return tuple(os.environ["CELLBLOCK_ENGINES"].split(","))
    return QUICK + (LONG if os.environ.get("CELLBLOCK_LONG_TESTS") else ())


def parameter(name):
    """The first check of these may wait for a build or for PyPI's packages."""
    return pytest.param(name, marks=[pytest.mark.seconds(1500)] if name in ("kubernetes", "modal") else [])


def prepare(name, place):
    maker = MAKERS.get(name)
    prepared = maker(place) if maker else Prepared()
    environment = {**place.environment(), **prepared.environment}
    try:
        probe(name, place, prepared, environment)
    except NotHere:
        prepared.close()
        raise
    return prepared


def probe(name, place, prepared, environment):
    """A first cell. Whatever the engine says of why it can't is the reason of the skip."""
    policy = place.policy("probe-" + name, engine=name, **prepared.policy)
    run = subprocess.run([kernels.PROGRAM, "run", "--policy", policy, "-"], input="print(6 * 7)", env=environment,
                         capture_output=True, text=True, timeout=120, cwd=place.root / "work")
    if run.stdout.strip() != "42":
        raise NotHere(" ".join((run.stderr or run.stdout).split())[:300])


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise NotHere("there is no program " + program)


CACHE = kernels.REPO / "build" / "engines"  # an image, and what Docker and Podman made of it
IMAGE = CACHE / "image.tar"


def image():
    """Made once, in a minute or two, by the first that asks."""
    need("mmdebstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not IMAGE.exists():
            made = IMAGE.with_suffix(".new.tar")
            run([str(kernels.REPO / "share/cellblock/images/make-image"), str(made)], seconds=900)
            made.rename(IMAGE)
    return str(IMAGE)


def run(argv, seconds=60, environment=None):
    done = subprocess.run(argv, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise NotHere("%s: %s" % (argv[0], " ".join(done.stderr.split())[-300:]))
    return done.stdout


def wait_for(ready, what, process, seconds=30):
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise NotHere("%s didn't start" % what)
        time.sleep(0.1)


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def docker(place):
    """A daemon of the tests' own, without a network."""
    need("dockerd", "docker")
    if os.getuid() != 0:
        raise NotHere("its daemon needs root")
    folder = place.root / "docker"
    folder.mkdir()
    host = "unix://%s/socket" % folder
    with open(folder / "log", "wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", "--host", host, "--data-root", str(CACHE / "docker"), "--exec-root", str(folder / "exec"),
             "--pidfile", str(folder / "pid"), "--iptables=false", "--bridge=none", "--ip-forward=false"],
            stdout=log, stderr=log, start_new_session=True)
    environment = {"DOCKER_HOST": host, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    try:
        wait_for(lambda: subprocess.run(["docker", "info"], env={**os.environ, **environment},
                                        capture_output=True).returncode == 0, "dockerd", daemon)
        if not run(["docker", "images", "--quiet", "cellblock"], environment=environment).strip():
            run(["docker", "import", image(), "cellblock"], 600, environment)
    except BaseException:
        stop(daemon)
        raise
    return Prepared({"python": "python3"}, environment, lambda: stop(daemon))


def podmans_groups():
    return {folder for folder, _, _ in os.walk("/sys/fs/cgroup") if "/libpod_parent" in folder}


def still_used(groups):
    """Gives the groups that have processes, and removes the others."""
    for group in sorted(groups, reverse=True):
        with contextlib.suppress(OSError):
            os.rmdir(group)
    return {group for group in groups if os.path.exists(group)}


def podman(place):
    need("podman")
    storage = CACHE / "podman"
    storage.mkdir(parents=True, exist_ok=True)
    (place.root / "storage.conf").write_text('[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s-run"\n'
                                             % (storage, storage))  # podman remembers its first
    (place.root / "containers.conf").write_text('[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "runc"\n')
    groups_before = podmans_groups()
    environment = {"CONTAINERS_STORAGE_CONF": str(place.root / "storage.conf"),
                   "CONTAINERS_CONF": str(place.root / "containers.conf")}
    if not run(["podman", "images", "--quiet", "cellblock"], environment=environment).strip():
        run(["podman", "import", image(), "cellblock"], 600, environment)

    def close():
        """Containers' own clean-up runs beside, and would make the folder anew."""
        subprocess.run(["podman", "rm", "--all", "--force"], env={**os.environ, **environment}, capture_output=True)
        leftovers.wait_until(lambda: not any(str(place.root) in leftovers.command_line(pid)
                                             for pid in leftovers.all_processes()), 15)
        # Podman leaves the group that its containers' were in; conmon's is in use until the last conmon has been reaped.
        assert leftovers.wait_until(lambda: not still_used(podmans_groups() - groups_before), 15), podmans_groups()

    return Prepared({"python": "python3"}, environment, close)


def ssh(place):
    """A server of the tests' own on loopback, with a key of its own."""
    need("sshd", "ssh", "ssh-keygen")
    if os.getuid() != 0:
        raise NotHere("its server needs root")
    folder = place.root / "ssh"
    folder.mkdir(mode=0o700)
    (place.root / "home" / ".ssh").mkdir(mode=0o700)
    for name in ("host", "user"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)])
    port = kernels.free_ports(1)[0]
    shutil.copy(folder / "user.pub", folder / "allowed")
    (folder / "sshd").write_text("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/allowed\n"
                                 "StrictModes no\nPidFile none\nUsePAM no\nPermitRootLogin prohibit-password\n"
                                 % (port, folder, folder))
    (folder / "client").write_text("Host sandbox\nHostName 127.0.0.1\nPort %d\nUser %s\nIdentityFile %s/user\n"
                                   "StrictHostKeyChecking no\nUserKnownHostsFile %s/known\n"
                                   % (port, getpass.getuser(), folder, folder))
    wrapper = folder / "bin"
    wrapper.mkdir()
    (wrapper / "ssh").write_text("#!/bin/sh\nexec /usr/bin/ssh -F %s/client \"$@\"\n" % folder)
    (wrapper / "ssh").chmod(0o755)
    os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd")],
                              stderr=open(folder / "log", "wb"), start_new_session=True)
    environment = {"PATH": "%s:/usr/bin:/bin" % wrapper}
    return Prepared({"destination": "sandbox", "allow_unenforced": True}, environment, lambda: stop(server))


def srt(place):
    need("node", "npm", "bwrap", "socat", "rg")
    folder = kernels.REPO / "build" / "node"
    program = folder / "node_modules" / ".bin"
    if not (program / "srt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "@anthropic-ai/sandbox-runtime"], 300)
    return Prepared({"allow_unenforced": True}, {"PATH": "%s:/usr/bin:/bin" % program})


def e2b(place):
    """A server of cellblock's own, which speaks E2B's protocol. Its sandboxes hold ours."""
    folder = place.root / "e2b"
    folder.mkdir(mode=0o700)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(os.urandom(32).hex())
    policy = place.policy("e2b-server", limits={"output": "1GiB", "processes": 512})
    server = subprocess.Popen([kernels.PROGRAM, "serve", "--listen", "127.0.0.1:0", "--token-file", str(token), "--policy", policy],
                              env=place.environment(), stdout=subprocess.PIPE, stderr=open(folder / "log", "wb"), text=True,
                              start_new_session=True, cwd=place.root / "work")
    address = server.stdout.readline().removeprefix("listening on ").strip()
    if not address:
        stop(server)
        raise NotHere("its server doesn't start: " + (folder / "log").read_text()[:300])
    return Prepared({"destination": address, "allow_unenforced": True}, {"E2B_API_KEY": token.read_text()}, lambda: stop(server))


def modal(place):
    """A stand-in for Modal's service, made of its SDK. The sandboxes are bubblewrap's."""
    need("bwrap")
    try:
        service = modal_service.StandIn(place.root)
    except (subprocess.CalledProcessError, AssertionError) as why:
        raise NotHere(str(why)) from None
    return Prepared({"allow_unenforced": True}, service.variables, service.stop)


def slurm(place):
    """A cluster of one node: munge, slurmctld and slurmd of the tests' own."""
    need("munged", "slurmctld", "slurmd", "srun")
    if os.getuid() != 0:
        raise NotHere("its daemons need root")
    folder = place.root / "slurm"
    (folder / "state").mkdir(parents=True)
    (folder / "spool").mkdir()
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    ports = kernels.free_ports(2)
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(
        "ClusterName=test\nSlurmctldHost=%s(127.0.0.1)\nSlurmctldPort=%d\nSlurmdPort=%d\nSlurmUser=root\nSlurmdUser=root\n"
        "AuthType=auth/munge\nAuthInfo=socket=%s/socket\nCredType=cred/munge\nStateSaveLocation=%s/state\n"
        "SlurmdSpoolDir=%s/spool\nSlurmctldPidFile=%s/ctld.pid\nSlurmdPidFile=%s/d.pid\nProctrackType=proctrack/linuxproc\n"
        "TaskPlugin=task/none\nMpiDefault=none\nReturnToService=2\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n"
        "SlurmctldLogFile=%s/ctld.log\nSlurmdLogFile=%s/d.log\nJobAcctGatherType=jobacct_gather/none\n"
        "NodeName=%s NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN\nPartitionName=test Nodes=ALL Default=YES State=UP\n"
        % (host, *ports, *[folder] * 7, host))
    environment = {"SLURM_CONF": str(folder / "slurm.conf")}
    running = []

    def close():
        silent = {"env": {**os.environ, **environment}, "capture_output": True, "text": True}
        subprocess.run(["scancel", "--user=" + getpass.getuser()], **silent)
        leftovers.wait_until(lambda: not subprocess.run(["squeue", "--noheader"], **silent).stdout.strip(), 30)
        for one in reversed(running):
            stop(one)

    def start(*argv):
        running.append(subprocess.Popen(argv, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=open(folder / "log", "ab"), start_new_session=True))

    try:
        start("munged", "--foreground", "--force", "--key-file=%s/key" % folder, "--socket=%s/socket" % folder,
              "--pid-file=%s/munge.pid" % folder, "--seed-file=%s/seed" % folder, "--log-file=%s/munge.log" % folder)
        wait_for(lambda: (folder / "socket").exists(), "munged", running[0])
        start("slurmctld", "-D")
        start("slurmd", "-D", "-N", host)
        wait_for(lambda: "idle" in subprocess.run(["sinfo", "--noheader"], env={**os.environ, **environment},
                                                  capture_output=True, text=True).stdout, "slurmd", running[2], 60)
    except BaseException:
        close()
        raise
    return Prepared({"allow_unenforced": True}, environment, close)


clusters = []  # the one, for all tests that this process runs; conftest.py stops it


def the_cluster():
    ended = beside.outcome("kubernetes")
    if ended and not ended[0]:
        raise NotHere(ended[1].strip().splitlines()[-1])
    if not build.is_made():
        raise NotHere("build/kubernetes isn't made: tests/conformance/kubernetes/build.py does it, in some ten minutes")
    need("containerd", "ctr", "runc", "nsenter", "setpriv", "unshare", "ip", "openssl")
    if os.getuid() != 0:
        raise NotHere("its node needs root")
    if not clusters:
        try:
            clusters.append(cluster.Cluster(image(), CACHE / "containerd"))
        except cluster.NoCluster as why:
            raise NotHere(str(why)) from None
    return clusters[0]


def kubernetes(place):
    return Prepared({"python": "python3", "destination": cluster.NAMESPACES[0]}, the_cluster().environment())


MAKERS = {"kubernetes": kubernetes, "srt": srt, "slurm": slurm, "docker": docker, "kata": docker, "podman": podman, "ssh": ssh,
          "e2b": e2b, "modal": modal}
