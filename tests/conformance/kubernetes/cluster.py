"""A Kubernetes cluster of one machine: etcd, kube-apiserver, its controller manager and scheduler, and a kubelet on
Debian's containerd and runc.

All real but for the network: a pod has a loopback of its own and nothing else, so network policies bind nobody. Every
daemon runs in namespaces of the cluster's own, which end with it. The images stay in build/engines/containerd.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from support import leftovers

from .build import HERE, MADE
from .images import SYSTEM_PATH, pack_images

ADDRESS = "10.0.0.1"  # in the network namespace, on its lo: a node's may not be a loopback's
PAUSE = "docker.io/library/pause:latest"
IMAGE = "docker.io/library/cellblock:latest"
NAMESPACES = ("lab", "elsewhere")
USERS = ("admin", "node", "scheduler", "manager", "student", "nobody")


class NoCluster(Exception):
    """Why there is none, with the end of the log that tells."""


class Cluster:
    def __init__(self, image, cache):
        self.image, self.cache = image, cache
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cbtest-cluster-", dir="/tmp"))
        self.cgroup = "cellblock-%d-kubernetes" % os.getpid()
        self.machine = None
        try:
            self._write_files()
            self._start()
            self._furnish()
        except BaseException:
            self.stop()
            raise

    # --- what the daemons read

    def _write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return str(path)

    def _write_files(self):
        """JSON is YAML, too."""
        key, certificate = str(self.folder / "key"), str(self.folder / "certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=apiserver",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self._write("tokens", "admin-token,admin,admin,system:masters\n"
                              "node-token,system:node:node,node,system:nodes\n"
                              "scheduler-token,system:kube-scheduler,scheduler\n"
                              "manager-token,system:kube-controller-manager,manager\n"
                              "student-token,student,student\n"
                              "nobody-token,nobody,nobody\n")
        for user in USERS:
            self._write("kubeconfig-" + user, self._kubeconfig(user))
        self._write("kubelet.json", self._kubelet(certificate))
        self._write("scheduler.json", {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
                                       "leaderElection": {"leaderElect": False},
                                       "clientConnection": {"kubeconfig": str(self.folder / "kubeconfig-scheduler")}})
        self._write("containerd.toml", CONTAINERD.format(folder=self.folder, root=self.cache, pause=PAUSE))
        self._write("cni/conf/10-none.conflist",
                    {"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "none"}]})
        for name in ("none", "loopback"):
            self._write("cni/bin/" + name, NO_NETWORK)
            (self.folder / "cni" / "bin" / name).chmod(0o755)
        self._write("kubectl", "#!/bin/sh\nexec nsenter --net=\"$(cat %s/netns)\" %s/kubectl \"$@\"\n" % (self.folder, MADE))
        (self.folder / "kubectl").chmod(0o755)
        self._write("plan.json", {"address": ADDRESS, "daemons": self._daemons(key, certificate),
                                 "needs": {"kubelet": str(self.folder / "containerd.sock")}})

    def _kubeconfig(self, user):
        server = {"server": "https://localhost:6443", "certificate-authority": str(self.folder / "certificate")}
        return {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "test", "cluster": server}],
                "users": [{"name": user, "user": {"token": user + "-token"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}]}

    def _kubelet(self, certificate):
        return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
                "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False},
                                   "x509": {"clientCAFile": certificate}},
                "authorization": {"mode": "AlwaysAllow"}, "address": ADDRESS, "readOnlyPort": 0, "healthzPort": 0,
                "cgroupDriver": "cgroupfs", "cgroupRoot": "/" + self.cgroup, "failCgroupV1": False, "failSwapOn": False,
                "enforceNodeAllocatable": [], "evictionHard": {"memory.available": "0%"}, "imageGCHighThresholdPercent": 100,
                "makeIPTablesUtilChains": False, "oomScoreAdj": 0, "resolvConf": "",
                "containerRuntimeEndpoint": "unix://%s/containerd.sock" % self.folder,
                "podLogsDir": str(self.folder / "pods"), "volumePluginDir": str(self.folder / "plugins")}

    def _daemons(self, key, certificate):
        folder, program = self.folder, lambda name: str(MADE / name)
        return [
            [program("etcd"), "--data-dir=%s/etcd" % folder, "--log-level=warn", "--unsafe-no-fsync"],
            [program("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379", "--tls-cert-file=" + certificate,
             "--tls-private-key-file=" + key, "--secure-port=6443", "--advertise-address=" + ADDRESS, "--kubelet-preferred-address-types=InternalIP",
             "--service-cluster-ip-range=10.0.1.0/24",
             "--endpoint-reconciler-type=none", "--authorization-mode=Node,RBAC", "--token-auth-file=%s/tokens" % folder,
             "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key,
             "--service-account-signing-key-file=" + key, "--kubelet-client-key=" + key,
             "--kubelet-client-certificate=" + certificate],
            [self._containerd(), "--config=%s/containerd.toml" % folder],
            [program("kubelet"), "--config=%s/kubelet.json" % folder, "--kubeconfig=%s/kubeconfig-node" % folder,
             "--root-dir=%s/kubelet" % folder, "--cert-dir=%s/kubelet-pki" % folder, "--hostname-override=node",
             "--node-ip=" + ADDRESS],
            [program("kube-controller-manager"), "--kubeconfig=%s/kubeconfig-manager" % folder, "--leader-elect=false",
             "--use-service-account-credentials", "--service-account-private-key-file=" + key,
             "--root-ca-file=" + certificate, "--secure-port=0"],
            [program("kube-scheduler"), "--config=%s/scheduler.json" % folder, "--secure-port=0"],
        ]

    @staticmethod
    def _containerd():
        return shutil.which("containerd", path=SYSTEM_PATH)

    # --- start and end

    def _cgroup_folders(self):
        return [root / self.cgroup for root in cgroup_roots()]

    def _start(self):
        remove_orphaned_cgroups()
        for folder in self._cgroup_folders():
            folder.mkdir()
        with open(self.folder / "machine.log", "wb") as log:
            self.machine = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "--propagation", "private", sys.executable, str(HERE / "node.py"), str(self.folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={"PATH": "%s:%s" % (MADE, SYSTEM_PATH), "HOME": str(self.folder)})
        self._write("netns", "/proc/%d/ns/net" % self.machine.pid)
        self._wait("kube-apiserver", lambda: self.try_kubectl("get", "--raw", "/readyz").returncode == 0)

    def _wait(self, name, ready, seconds=90):
        """`name`: whose log tells why it didn't become ready."""
        end = time.monotonic() + seconds
        while not ready():
            if self.machine.poll() is not None or time.monotonic() > end:
                ended = self.folder / "ended"
                name = ended.read_text().split()[0] if ended.exists() else name
                log = self.folder / (name + ".log")
                log = log if log.exists() else self.folder / "machine.log"
                raise NoCluster("%s doesn't work: %s" % (name, " ".join(log.read_text(errors="replace").split())[-1500:]))
            time.sleep(0.2)

    def _furnish(self):
        """What a cluster has when it is handed out: images, a node that is ready, a namespace with its account, and a
        runtime class."""
        self._wait("containerd", lambda: self._ctr("version").returncode == 0)
        if PAUSE not in self._ctr("images", "list", "--quiet").stdout:
            self._import_images()
        self._wait("kubelet", lambda: "True" in self.try_kubectl(
            "get", "nodes", "--output=jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}").stdout)
        for name in NAMESPACES:
            self.add_namespace(name)
        # The template asks for gVisor. Its class is runc's here.
        self.create({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runc"})

    def add_namespace(self, name):
        labels = {"pod-security.kubernetes.io/%s" % mode: "restricted" for mode in ("enforce", "warn")}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self._wait("kube-controller-manager", lambda: self.names("serviceaccounts", name))

    def stop(self):
        if self.machine:
            self._forget_pods()
            self.machine.kill()
            self.machine.wait()
        for folder in self._cgroup_folders():
            leftovers.wait_until(lambda: remove_cgroup(folder), 10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget_pods(self):
        """So that containerd, whose folder stays, keeps none of them in mind."""
        containers = self._ctr("containers", "list", "--quiet").stdout.split()
        if containers:
            self._ctr("tasks", "delete", "--force", *containers)
            self._ctr("containers", "delete", *containers)

    # --- talking to it

    def environment(self, user="admin"):
        return {"KUBECONFIG": str(self.folder / ("kubeconfig-" + user)), "PATH": "%s:%s" % (self.folder, SYSTEM_PATH)}

    def try_kubectl(self, *words, user="admin", stdin=None):
        return subprocess.run([str(self.folder / "kubectl"), "--request-timeout=20s", *words], capture_output=True, text=True,
                              input=stdin, env={**os.environ, **self.environment(user)}, timeout=60)

    def kubectl(self, *words, **options):
        done = self.try_kubectl(*words, **options)
        if done.returncode != 0:
            raise NoCluster("kubectl %s: %s" % (" ".join(words), done.stderr.strip()[-500:]))
        return done.stdout

    def create(self, thing, **options):
        return self.kubectl("create", "--filename=-", stdin=json.dumps(thing), **options)

    def names(self, kinds, namespace=None):
        where = "--namespace=" + namespace if namespace else "--all-namespaces"
        return self.kubectl("get", kinds, where, "--output=name").split()

    # --- containerd

    def _ctr(self, *words, **options):
        return subprocess.run(["nsenter", "--mount=/proc/%d/ns/mnt" % self.machine.pid, "ctr",
                               "--address=%s/containerd.sock" % self.folder, "--namespace=k8s.io", *words],
                              capture_output=True, text=True, **options)

    def _import_images(self):
        """The image and, of the same layer, one of a container that sleeps: what holds a pod's namespaces."""
        archive = self.folder / "images.tar"
        try:
            pack_images(self.image, archive, {IMAGE: ["python3"], PAUSE: ["sleep", "infinity"]})
            done = self._ctr("images", "import", str(archive))
            if done.returncode != 0:
                raise NoCluster("ctr: " + done.stderr.strip()[-500:])
        finally:
            archive.unlink(missing_ok=True)


CONTAINERD = """version = 2
root = "{root}"
state = "{folder}/containerd"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{folder}/cni/bin"
    conf_dir = "{folder}/cni/conf"
"""

# A plugin that gives a pod an address by name only. The runtime wants one; no packet ever reaches it.
NO_NETWORK = """#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{"cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0"]}' ;;
ADD)
    nsenter --net="$CNI_NETNS" ip link set lo up
    echo '{"cniVersion": "0.4.0", "interfaces": [{"name": "'"$CNI_IFNAME"'", "sandbox": "'"$CNI_NETNS"'"}],
           "ips": [{"version": "4", "interface": 0, "address": "10.0.2.2/32"}]}' ;;
esac
"""


def cgroup_roots():
    """Of version 2 there is one, of version 1 one for each controller."""
    root = pathlib.Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [one for one in root.iterdir() if one.is_dir() and not one.is_symlink()]


def remove_orphaned_cgroups():
    for root in cgroup_roots():
        for folder in root.glob("cellblock-*-kubernetes"):
            if not leftovers.stat_of(int(folder.name.split("-")[1])):
                remove_cgroup(folder)


def remove_cgroup(folder):
    for below, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(below)
        except OSError:
            return False
    return True
