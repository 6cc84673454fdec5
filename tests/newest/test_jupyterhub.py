"""JupyterHub with examples/jupyterhub_config.py: users log in, start servers, and their default kernel runs cells in a sandbox."""

import asyncio
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import uuid

import aiohttp
import pytest
import requests
from support import kernels, leftovers
from support.environments import Environment, NodeEnvironment

FOLDER = kernels.REPO / "tests" / "newest" / "jupyterhub"
WANTED = FOLDER / "wanted.txt"
EXAMPLE = kernels.REPO / "examples" / "jupyterhub_config.py"
NODE = kernels.REPO / "build" / "hub-node"
PASSWORD = "a password of the tests"
FIRST_NUMBER = 61001  # of users that no machine has: above those that Debian gives out

# What differs here from the example: its folder, the ports, the authenticator, and where users live.
CONFIG = """
load_subconfig(%(example)r)
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:%(port)d"
c.JupyterHub.hub_port = %(hub)d
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:%(api)d"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = %(password)r
c.DummyAuthenticator.allowed_users = %(users)r
c.JupyterHub.spawner_class = %(spawner)r
c.Spawner.http_timeout = c.Spawner.start_timeout = 120
c.Spawner.args += %(arguments)r
c.SimpleLocalProcessSpawner.home_dir_template = %(homes)r
c.Spawner.environment["JUPYTER_PATH"] = %(kernels)r
c.Spawner.environment["XDG_RUNTIME_DIR"] = lambda spawner: %(runtimes)r.format(username=spawner.user.name)
"""

PLOT = """
import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.show()
print(open("mine.txt").read(), open("/proc/1/comm").read())
"""
LOOK = """
import os
seen = []
for folder, _, names in os.walk("/"):
    if not folder.startswith(("/proc", "/sys", "/usr")):
        seen += [os.path.join(folder, name) for name in names if name in ("mine.txt", "jupyterhub_cookie_secret", "jupyterhub.sqlite")]
print(seen, %r in str(os.environ) + open("/proc/self/environ").read())
for path in %r:
    try:
        print(open(path).read())
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def environment():
    made = Environment(kernels.REPO / "build" / "hub-env", WANTED.read_text(), "wanted.txt")
    made.make("/usr/bin/python3", "-r", WANTED)
    NodeEnvironment(NODE, FOLDER / "package.json").make()
    return made


class Hub:
    """A running JupyterHub of these users, whose homes are in the place."""

    spawner = "simple"

    def __init__(self, place, environment, users):
        self.place, self.users = place, users
        place.warm = True
        for name in users:
            for folder in ("home", "run"):
                self.make_folder(place.root / folder / name, name)
        done = subprocess.run([kernels.PROGRAM, "install", "--as", "python3", "--display-name", "Python 3", "--prefix", place.root / "prefix",
                               "--python", environment.python], env=place.environment(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        self.port, hub, api = kernels.free_ports(3)
        config = place.file("config.py", CONFIG % {
            "example": str(EXAMPLE), "port": self.port, "hub": hub, "api": api, "password": PASSWORD, "users": set(users), "spawner": self.spawner,
            "arguments": ["--allow-root"] if os.geteuid() == 0 and self.spawner == "simple" else [],
            "homes": str(place.root / "home" / "{username}"), "runtimes": str(place.root / "run" / "{username}"),
            "kernels": str(place.root / "prefix" / "share" / "jupyter")})
        variables = {**place.environment(), "PATH": ":".join(map(str, (environment.folder / "bin", NODE / "node_modules" / ".bin", "/usr/bin", "/bin")))}
        self.log = place.root / "hub.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.within([environment.folder / "bin" / "jupyterhub", "--config", config]), cwd=place.root / "work",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, start_new_session=True)
        self.url = "http://127.0.0.1:%d" % self.port
        assert leftovers.wait_until(self.answers, 90), self.said()

    def answers(self):
        assert self.process.poll() is None, self.said()
        try:
            return requests.get(self.url + "/hub/api", timeout=5).ok
        except requests.RequestException:
            return False

    def said(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(one for one in lines if "JupyterHub log:" not in one)[-6000:]  # not each request

    def stop(self):
        tree = leftovers.descendants(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            for user in self.users:  # what waits for the user's next kernel, which would leave after half an hour
                variables = {**self.place.environment(), "XDG_RUNTIME_DIR": str(self.place.root / "run" / user)}
                subprocess.run(self.as_user(user, [kernels.PROGRAM, "daemon", "stop"]), env=variables, check=False, timeout=30)
            left = leftovers.wait_until(lambda: not leftovers.living(tree), 20)
            leftovers.send(signal.SIGKILL, leftovers.living(tree))
        assert left, "outlived the hub: " + self.said()

    def make_folder(self, path, _user):
        path.mkdir(mode=0o700)

    def within(self, argv):
        """The command, where the users are known."""
        return argv

    def as_user(self, _user, argv):
        return argv


class HubOfRealUsers(Hub):
    """Each server runs as the machine's user of that name. In a mount namespace the machine has such users; outside nothing changes."""

    spawner = "localprocess"

    def __init__(self, place, environment, users):
        self.place = place
        self.numbers = {name: FIRST_NUMBER + at for at, name in enumerate(users)}
        line = "%s:x:%d:%d::" + str(place.root / "home") + "/%s:/bin/sh\n"
        entries = "".join(line % (name, number, number, name) for name, number in self.numbers.items())
        groups = "".join("%s:x:%d:\n" % one for one in self.numbers.items())
        passwd = place.file("passwd", pathlib.Path("/etc/passwd").read_text() + entries)
        group = place.file("group", pathlib.Path("/etc/group").read_text() + groups)
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", "mount --bind %s /etc/passwd && mount --bind %s /etc/group && "
                                        "echo && exec sleep 3600" % (passwd, group)], stdout=subprocess.PIPE)
        try:
            assert self.holder.stdout.readline() == b"\n"
            super().__init__(place, environment, users)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        try:
            super().stop()
        finally:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()

    def make_folder(self, path, user):
        path.mkdir(mode=0o700)
        os.chown(path, self.numbers[user], self.numbers[user])

    def within(self, argv):
        return ["nsenter", "--mount=/proc/%d/ns/mnt" % self.holder.pid, "--wdns=%s/work" % self.place.root, *argv]

    def as_user(self, user, argv):
        return self.within(["setpriv", "--reuid=%s" % self.numbers[user], "--regid=%s" % self.numbers[user], "--clear-groups", *argv])


class Person:
    """A user with a browser: logs in by the form, and starts a server."""

    def __init__(self, hub, name):
        self.hub, self.name = hub, name
        self.session = requests.Session()
        form = self.get("/hub/login").text
        xsrf = re.search(r'name="_xsrf"\s+value="([^"]+)"', form)[1]
        done = self.session.post(hub.url + "/hub/login?next=/hub/home", data={"username": name, "password": PASSWORD, "_xsrf": xsrf}, timeout=60)
        assert done.ok and name in done.text, (done.status_code, hub.said())
        made = requests.post("%s/hub/api/users/%s/tokens" % (hub.url, name), timeout=30,
                             json={"auth": {"username": name, "password": PASSWORD}, "note": "of the tests"})
        assert made.status_code == 201, made.text
        self.token = made.json()["token"]

    def get(self, path):
        return self.session.get(self.hub.url + path, timeout=60)

    def ask(self, method, path, **options):
        return requests.request(method, self.hub.url + path, headers={"Authorization": "token " + self.token}, timeout=60, **options)

    def start_server(self):
        begun = self.ask("POST", "/hub/api/users/%s/server" % self.name)
        assert begun.status_code in (201, 202), begun.text
        assert leftovers.wait_until(lambda: self.servers().get("", {}).get("ready"), 120), self.hub.said()

    def servers(self):
        time.sleep(0.3)
        return self.ask("GET", "/hub/api/users/" + self.name).json()["servers"]

    def stop_server(self):
        assert self.ask("DELETE", "/hub/api/users/%s/server" % self.name).status_code in (202, 204)
        assert leftovers.wait_until(lambda: not self.servers(), 60), self.hub.said()

    def start_kernel(self, notebook, name):
        """As JupyterLab does for a notebook."""
        return self.ask("POST", "/user/%s/api/sessions" % self.name,
                        json={"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": name}})

    def run(self, kernel, code):
        return asyncio.run(self._run(kernel, code))

    async def _run(self, kernel, code):
        """The messages that answer the cell, over the server's websocket."""
        message = {"header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": self.name, "session": "tests", "version": "5.4",
                              "date": "2026-01-01T00:00:00Z"},
                   "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
                   "content": {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}}
        found = []
        async with aiohttp.ClientSession(headers={"Authorization": "token " + self.token}) as session:
            address = "%s/user/%s/api/kernels/%s/channels" % (self.hub.url, self.name, kernel)
            async with session.ws_connect(address, max_msg_size=0, timeout=60) as socket:
                await socket.send_str(json.dumps(message))
                while True:
                    answer = await asyncio.wait_for(socket.receive_json(), 60)
                    if answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                        found.append(answer)
                        if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                            return found


def text_of(messages):
    """What was printed, and how it failed."""
    return "".join(one["content"].get("text", "") + "\n".join(one["content"].get("traceback", [])) for one in messages
                   if one["msg_type"] in ("stream", "error"))


def work_as(hub, users):
    """Each user plots in the default kernel; none sees another's file, nor anything of the hub's."""
    people = [Person(hub, name) for name in users]
    files = [str(hub.place.root / "home" / name / "notebooks" / "mine.txt") for name in users]
    started = []
    for person in people:
        person.start_server()
        specs = person.ask("GET", "/user/%s/api/kernelspecs" % person.name).json()
        assert specs["default"] == "python3" and list(specs["kernelspecs"]) == ["python3"], specs
        assert specs["kernelspecs"]["python3"]["spec"]["argv"][:2] == [str(pathlib.Path(kernels.PROGRAM).resolve()), "kernel"]
        assert person.ask("POST", "/user/%s/api/terminals" % person.name).status_code >= 400
        put = person.ask("PUT", "/user/%s/api/contents/mine.txt" % person.name,
                         json={"type": "file", "format": "text", "content": "of " + person.name})
        assert put.status_code == 201, put.text
        assert person.start_kernel(person.name + ".ipynb", "other").status_code >= 400
        kernel = person.start_kernel(person.name + ".ipynb", "python3")
        assert kernel.status_code == 201, kernel.text
        started.append(kernel.json()["kernel"]["id"])
    for person, kernel in zip(people, started):
        plotted = person.run(kernel, PLOT)
        assert [one for one in plotted if one["msg_type"] == "display_data" and "image/png" in one["content"]["data"]], text_of(plotted)
        assert "of " + person.name in text_of(plotted)
    for person, kernel in zip(people, started):
        seen, *others = text_of(person.run(kernel, LOOK % (PASSWORD, [one for one in files if "/%s/" % person.name not in one]))).splitlines()
        assert seen == "['/work/mine.txt'] False" and others == ["FileNotFoundError"] * (len(users) - 1), (seen, others)
    assert people[0].ask("GET", "/user/%s/api/contents" % people[1].name).status_code in (403, 404)  # the hub's own wall
    return people


USERS = ["ada", "bob"]
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="no npm here: apt-get install nodejs npm")


@pytest.mark.long
@pytest.mark.seconds(900)
@needs_npm
def test_users_of_a_hub_run_their_cells_in_sandboxes(place, environment):
    hub = Hub(place, environment, USERS)
    try:
        people = work_as(hub, USERS)
        servers = leftovers.children(hub.process.pid)
        people[0].stop_server()
        assert people[1].ask("GET", "/user/bob/api/status").ok
        assert len(leftovers.living({pid: (leftovers.stat_of(pid) or "????")[3] for pid in servers})) == len(servers) - 1
    finally:
        hub.stop()


@pytest.mark.long
@pytest.mark.seconds(900)
@needs_npm
@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts other users' servers")
def test_each_users_server_runs_as_that_user(place, environment):
    for program in (environment.python, kernels.PROGRAM):
        if subprocess.run(["setpriv", "--reuid=%d" % FIRST_NUMBER, "--clear-groups", "test", "-x", program], check=False).returncode != 0:
            pytest.skip("ordinary users may not start %s" % program)
    hub = HubOfRealUsers(place, environment, USERS)
    try:
        work_as(hub, USERS)
        owners = {pathlib.Path("/proc/%d" % pid).stat().st_uid for pid in leftovers.children(hub.process.pid)}
        assert set(hub.numbers.values()) <= owners, owners
    finally:
        hub.stop()
