"""The cluster's one machine: the first process of its own pid, mount and network namespaces.

Starts etcd, kube-apiserver, containerd, kubelet and kube-scheduler from the files that cluster.py wrote into the folder
that is its argument. When it is killed the kernel ends all of them, their pods and their mounts.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import time

# The kubelet would set these for the whole machine. It leaves them alone where they are as it wants them.
WANTED = {"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
          "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000"}
MS_BIND = 4096


def mount(source, target, kind=None, flags=0):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), str(target).encode(), kind and kind.encode(), flags, None) != 0:
        raise OSError(ctypes.get_errno(), "mount %s: %s" % (target, os.strerror(ctypes.get_errno())))


def settle(folder, address):
    """Nothing of what the daemons write outside of their folder is seen by the machine around."""
    for place in ("/run", "/var/log"):
        mount("tmpfs", place, "tmpfs")
    for name, value in WANTED.items():
        file = folder / name.replace("/", "-")
        file.write_text(value + "\n")
        mount(str(file), "/proc/sys/" + name, flags=MS_BIND)
    nobody = folder / "resolv.conf"  # asks this machine, where nobody answers: an image that isn't here is told at once
    nobody.touch()
    mount(str(nobody), os.path.realpath("/etc/resolv.conf"), flags=MS_BIND)
    for words in ("link set lo up", "address add %s/32 dev lo" % address, "route add default dev lo"):
        subprocess.run(["ip", *words.split()], check=True)


def main():
    folder = pathlib.Path(sys.argv[1])
    plan = json.loads((folder / "plan.json").read_text())
    settle(folder, plan["address"])
    running = {}
    for argv in plan["daemons"]:
        name = os.path.basename(argv[0])
        end = time.monotonic() + 30
        while name in plan["needs"] and not os.path.exists(plan["needs"][name]) and time.monotonic() < end:
            time.sleep(0.05)
        with open(folder / (name + ".log"), "wb") as log:
            running[subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder).pid] = name
    while True:
        pid, status = os.wait()  # pods' processes that have lost their parent come here too
        if pid in running:
            (folder / "ended").write_text("%s ended, with status %d" % (running[pid], status))
            return


if __name__ == "__main__":
    main()
