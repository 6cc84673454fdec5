#!/usr/bin/python3
"""Builds what a cluster of one machine is made of, from the Go module proxy, into build/kubernetes.

go.mod names the programs (as tools) and their versions, go.sum the digests. Made once, in some ten minutes; made anew
when one of the two changes. The last line that is printed says why it couldn't be.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MADE = HERE.parents[2] / "build" / "kubernetes"
PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
PROGRAMS = {"etcd": "go.etcd.io/etcd/server/v3", **{name: "k8s.io/kubernetes/cmd/" + name for name in PARTS}}
NEW_ENOUGH = (1, 24)


def stamp():
    """Tells one state of go.mod and go.sum from another."""
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()


def is_made():
    try:
        return (MADE / "stamp").read_text() == stamp()
    except OSError:
        return False


def why_go_cannot():
    if not shutil.which("go"):
        return "there is no program go; Kubernetes needs 1.24 or later, and Debian 12's is older"
    said = subprocess.run(["go", "version"], capture_output=True, text=True).stdout
    version = re.search(r"go(\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < NEW_ENOUGH:
        return "%s is too old: Kubernetes needs Go 1.24 or later" % (said.strip() or "go")
    return None


def kubernetes_version():
    return re.search(r"k8s\.io/kubernetes (v\S+)", (HERE / "go.mod").read_text()).group(1)


def build(name, package):
    version = kubernetes_version()
    major, minor = version[1:].split(".")[:2]
    facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}  # a kubelet without one is refused
    flags = "-s -w " + " ".join("-X k8s.io/component-base/version.%s=%s" % fact for fact in facts.items())
    argv = ["nice", "-n", "10", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(MADE / name), package]
    made = subprocess.run(argv, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"},
                          stderr=subprocess.PIPE, text=True)
    if made.returncode != 0:
        sys.stderr.write(made.stderr[-3000:])
        sys.exit("%s couldn't be built: %s" % (name, (made.stderr.strip().splitlines() or ["go said nothing"])[-1][:300]))


def main():
    if is_made():
        print("build/kubernetes has Kubernetes %s" % kubernetes_version())
        return
    why = why_go_cannot()
    if why:
        sys.exit(why)
    MADE.mkdir(parents=True, exist_ok=True)
    for number, (name, package) in enumerate(PROGRAMS.items(), 1):
        print("Kubernetes %s, %d of %d: building %s" % (kubernetes_version(), number, len(PROGRAMS), name), flush=True)
        build(name, package)
    (MADE / "stamp").write_text(stamp())
    print("build/kubernetes is made")


if __name__ == "__main__":
    main()
