"""Each system's machine, booted once, with the package installed; what was seen of it goes to build/vm/SYSTEM.json."""

import datetime
import json
import os
import pathlib
import sys

import pytest
from support import beside

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine as machines  # noqa: E402
import ways  # noqa: E402

SYSTEMS = os.environ.get("CELLBLOCK_VM_SYSTEMS", "bookworm trixie").split()
DOCTOR_SECONDS = 900
LIFE_SECONDS = 2400
LEAVES_DAEMON = "start that leaves a daemon"  # without one the next start isn't a warm one
WHEEL_SECONDS = 900
WHEEL, PIP = "/payload/packages/cellblock-*.whl", "$(ls /payload/packages/pip-*.whl)/pip"
INSTALL = ["sh", "-c", "apt-get -q -y install --no-install-recommends /payload/packages/*.deb"]
FACTS = ('. /etc/os-release; echo "$PRETTY_NAME"; uname -r; uname -m; stat -fc %T /sys/fs/cgroup; cat /sys/kernel/security/lsm; '
         'echo; systemctl --version | head -n 1; dpkg-query -W cellblock')


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.seconds(3600))


class System:
    """A machine, what is known of it, and what was found in it."""

    def __init__(self, name, machine):
        self.name, self.machine = name, machine
        self.installed = machine.run(INSTALL, 600).stdout
        told = machine.run(["sh", "-c", FACTS]).stdout.split("\n")
        self.facts = dict(zip(("system", "linux", "processor", "cgroups", "security_modules", "systemd", "package"), told))
        self.facts["boot_seconds"] = round(machine.boot_seconds, 1)
        self.doctors, self.lives = {}, {}  # by how it is installed, and the way in which it was started
        self.suites = {}
        machine.run(["python3", "-"], text=ways.PATIENCE)
        machine.run(["sh", "-c", "cat > /etc/systemd/system/jupyter.service; systemctl daemon-reload"], text=ways.JUPYTER)

    def doctor(self, how, way):
        """What `cellblock doctor --json` says, and its exit status."""
        self._skip_unless_there(way)
        if (how, way) not in self.doctors:
            argv = ways.started(way, [*ways.INSTALLED[how], *ways.DOCTOR], DOCTOR_SECONDS)
            self.doctors[how, way] = self.machine.run(argv, DOCTOR_SECONDS + 20, check=False)
        return self.doctors[how, way]

    def life(self, how, way):
        """What the steps of support/life.py gave."""
        self._skip_unless_there(way)
        if (how, way) not in self.lives:
            self.lives[how, way] = self._live(how, way)
        return self.lives[how, way]

    def _skip_unless_there(self, way):
        oldest = ways.OLDEST_SYSTEMD.get(way, 0)
        if int(self.facts["systemd"].split()[1]) < oldest:
            pytest.skip("%s has no %s: it needs systemd %d" % (self.name, way, oldest))

    def _live(self, how, way):
        served = way == "jupyter server"
        if served:
            self.machine.run(["systemctl", "start", "jupyter"])
            self.machine.run(["timeout", "100", "sh", "-c", "until ss -ltn | grep -q :%d; do sleep 1; done" % ways.PORT], 120)
        try:
            argv = [*ways.INSTALLED[how], *ways.LIFE, *(["http://127.0.0.1:%d" % ways.PORT, ways.TOKEN] if served else [])]
            return self.machine.run(ways.started(way, argv, LIFE_SECONDS), LIFE_SECONDS + 20, check=False)
        finally:
            if served:
                self.machine.run(["systemctl", "stop", "jupyter"], 120)

    def write(self):
        """A part of the tests leaves what an earlier run found of the rest."""
        file = machines.images() / (self.name + ".json")
        content = json.loads(file.read_text()) if file.exists() else {"installed": {}, "suites": {}}
        tried = [one for one in ways.TRIED if one in self.doctors or one in self.lives]
        for how in {how for how, _ in tried}:
            content["installed"][how] = {way: self._found(how, way) for each, way in tried if each == how}
        if tried:
            content.update(self.facts, at=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
                           suites={**content["suites"], **self.suites})
            file.write_text(json.dumps(content, indent=2) + "\n")

    def _found(self, how, way):
        found = {}
        doctor, life = (of.get((how, way)) for of in (self.doctors, self.lives))
        if doctor and doctor.stdout.startswith("{"):
            found.update(_said(json.loads(doctor.stdout)))
        if life and life.stdout.startswith("{"):
            steps = json.loads(life.stdout)
            found.update(steps={name: step["ok"] for name, step in steps.items()},
                         **{key: steps[name]["seconds"] for key, name, needed in (("cold", "start", "start"), ("warm", "warm start", LEAVES_DAEMON))
                            if steps.get(name, {}).get("ok") and steps.get(needed, {}).get("ok")})
        return found


def _said(told):
    """Of `cellblock doctor --json`."""
    endings = [one["ending"] for one in told.get("attempts", [])]
    return {"layers": {one["layer"]: one["in_force"] for one in told.get("layers", [])}, "stopped": endings.count("stopped"),
            "attempts": len(endings)}


@pytest.fixture(scope="session", params=SYSTEMS)
def system(request):
    why = machines.missing(request.param)
    if why:
        pytest.skip(why)
    if os.getuid() != 0:
        pytest.skip("only root may make the images that the machines boot")
    beside.wait("vm")
    folder = machines.images() / request.param
    if not (folder / "payload.tar").exists():
        pytest.skip("there is no %s: tests/vm/run %s makes it" % (folder / "payload.tar", request.param))
    machine = machines.Machine(folder)
    try:
        booted = System(request.param, machine)
        yield booted
        booted.write()
    finally:
        machine.stop()


@pytest.fixture(scope="session")
def environment(system):
    """The folder of one that has the wheel. The machine has no network: pip comes along, and IPython is the system's."""
    run = system.machine.run
    found = run(["sh", "-c", "ls " + WHEEL], check=False)
    if found.status != 0:
        pytest.skip("tests/vm/build found no wheel for %s: cmake/wheel/build makes it" % system.facts["processor"])
    assert found.stdout.strip().endswith("_%s.whl" % system.facts["processor"])
    run(["python3", "-m", "venv", "--without-pip", "--system-site-packages", ways.ENVIRONMENT], WHEEL_SECONDS)
    run(["sh", "-c", "%s/bin/python %s install --no-index --no-deps --ignore-installed %s" % (ways.ENVIRONMENT, PIP, WHEEL)], WHEEL_SECONDS)
    return ways.ENVIRONMENT
