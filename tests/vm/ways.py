"""The ways in which people start cellblock on a system with systemd, and what each way is expected to give.

EXPECTED is the one place that says which layers stand: where the program learns to get one in some way, that name goes there.
"""

import shlex

BASE = ("namespaces", "root", "user", "capabilities", "seccomp", "landlock", "network", "rlimits")

# Beside BASE, which every way has: layers that must stand, and layers that may be missing there or not.
GROUPS = {"memory", "processes", "cpus"}
EXPECTED = {
    "root's service": (GROUPS, set()),
    "login": (GROUPS, set()),
    "user service": (GROUPS, set()),
    "delegated scope": (GROUPS, set()),
    "delegated service": (GROUPS, set()),
    "jupyter server": (set(), GROUPS),  # the user's systemd isn't there unless the user has logged in or lingers
}
# How cellblock is installed, and the words before a command that has to find that one.
ENVIRONMENT = "/opt/env"
INSTALLED = {".deb": [], "wheel": ["env", "PATH=%s/bin:/usr/sbin:/usr/bin:/sbin:/bin" % ENVIRONMENT]}
TRIED = [*((".deb", way) for way in EXPECTED), *(("wheel", way) for way in ("root's service", "login", "user service"))]
OLDEST_SYSTEMD = {"delegated service": 254}  # which has DelegateSubgroup=

USER = "alice"
PORT = 8888
TOKEN = "of-this-machine-alone"
FOLDER = "/home/%s/notebooks" % USER
UNIT = ["--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"]


MEMORY = 512  # MiB
# The shipped policies for a small machine whose processor is emulated: a sandbox may take longer to start, and has less memory to fill.
PATIENCE = """import json
for name in ("default", "notebook"):
    with open("/usr/share/cellblock/policies/%%s.json" %% name) as shipped:
        policy = json.load(shipped)
    policy["limits"].update(start_time="10m", memory="%dMiB")
    with open("/etc/patient-%%s.json" %% name, "w") as patient:
        json.dump(policy, patient)
""" % MEMORY
DOCTOR = ["cellblock", "doctor", "--json", "--policy", "/etc/patient-default.json"]
LIFE = ["env", "CELLBLOCK_POLICY=/etc/patient-notebook.json", "python3", "/payload/tests/support/life.py", MEMORY]


def _by_login(argv):
    return ["ssh", "%s@localhost" % USER, shlex.join(argv)]


def started(way, argv, seconds):
    """The command that root gives for the argv to be run in that way, for so many seconds."""
    bounded = ["--property=RuntimeMaxSec=%d" % seconds]
    argv = [str(word) for word in argv]
    if way == "root's service":
        return ["systemd-run", *UNIT, *bounded, *argv]
    if way == "delegated service":
        return ["systemd-run", *UNIT, *bounded, "--uid=" + USER, "--working-directory=" + FOLDER,
                "--property=Delegate=cpu memory pids", "--property=DelegateSubgroup=main", *argv]
    if way == "jupyter server":  # a service of the system that runs as the user, as the server's own is
        return ["systemd-run", *UNIT, *bounded, "--uid=" + USER, "--working-directory=" + FOLDER, *argv]
    if way == "login":
        return _by_login(argv)
    if way == "user service":
        return _by_login(["systemd-run", "--user", *UNIT, *bounded, *argv])
    return _by_login(["systemd-run", "--user", "--quiet", "--scope", "--property=Delegate=yes", *bounded, *argv])


JUPYTER = """[Unit]
Description=Jupyter server
[Service]
User={user}
WorkingDirectory={folder}
Environment=CELLBLOCK_POLICY=/etc/patient-notebook.json
ExecStart=/usr/bin/python3 -m jupyter_server --no-browser --ip=127.0.0.1 --port={port} --ServerApp.token={token} --ServerApp.port_retries=0
""".format(user=USER, folder=FOLDER, port=PORT, token=TOKEN)
