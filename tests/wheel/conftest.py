"""The wheel, and environments that it is installed into as a user does: `pip install`, nothing else."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from support import kernels, leftovers, pythons, roots
from support.environments import Environment

# Packages of a user's environment, beside the wheel. Each Python takes the versions that matrix/rows.txt has tested.
BESIDE = ["nbclient==0.10.2", "ipykernel==6.29.5"]
PACKAGES_OF = {"3.9": "oldest", "3.10": "py310", "3.11": "py312", "3.12": "py312", "3.13": "py313", "3.14": "py314"}
ROOTS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}  # and each one's Python
RUN_NOTEBOOK = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, kernel_name="cellblock", timeout=120).execute()
print(nbformat.writes(notebook))
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "wheel":
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.seconds(1500))


@pytest.fixture(scope="session")
def wheel():
    subprocess.run([kernels.REPO / "cmake" / "wheel" / "build"], check=True, timeout=1400)
    found, = (kernels.REPO / "build" / "wheel" / "dist").glob("cellblock-*_%s.whl" % os.uname().machine)
    return found


def row(name):
    lines = (kernels.REPO / "tests" / "matrix" / "rows.txt").read_text().splitlines()
    return next(line.split()[2:] for line in lines if line.split()[:1] == [name])


class Installed:
    """An environment that isn't active: neither PATH nor a variable names it. In a root, all paths are the root's."""

    def __init__(self, folder, home, root=None):
        self.folder, self.home, self.root = pathlib.Path(folder), pathlib.Path(home), root
        self.variables = {"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(self.home / "run"), "LC_ALL": "C.UTF-8",
                          **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}}
        self.outside(self.home / "run").mkdir(mode=0o700, parents=True)
        self.outside(self.home / "notebooks").mkdir()

    def outside(self, path):
        return self.root.outside(path) if self.root else pathlib.Path(path)

    def run(self, program, *arguments, stdin="", check=True):
        """program: one of the environment's, or an absolute path."""
        command = [self.folder / "bin" / program, *arguments]
        folder, variables = self.home / "notebooks", self.variables
        if self.root:
            command, folder, variables = self.root.command(command, variables, folder), None, None
        done = subprocess.run(command, input=stdin, env=variables, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def pip(self, *arguments):
        return self.run("python", "-m", "pip", "--disable-pip-version-check", *arguments)

    def install(self, wheel):
        shutil.copy(wheel, self.outside(self.home))
        self.pip("install", "--quiet", str(self.home / wheel.name))

    def notebook(self, text):
        """Runs the notebook, and gives what it is then."""
        path = self.home / "notebooks" / "one.ipynb"
        self.outside(path).write_text(text)
        return json.loads(self.run("python", "-c", RUN_NOTEBOOK, str(path)).stdout)

    def files(self):
        """All of it but what Python compiles of other packages when they are first used."""
        folder = self.outside(self.folder)
        return {str(path.relative_to(folder)) for path in folder.rglob("*")
                if "__pycache__" not in path.parts or "cellblock" in str(path.relative_to(folder))}

    def stop(self):
        if self.outside(self.folder / "bin" / "cellblock").exists():
            self.run("cellblock", "daemon", "stop")
            assert leftovers.wait_until(lambda: self.run("cellblock", "daemon", "status", "--json").stdout.strip() in ("", "[]"), 20)


@contextlib.contextmanager
def here(version, home):
    """An environment of a Python of this machine."""
    base, why = pythons.find(version)
    if base is None:
        pytest.skip(why)
    made = Environment(kernels.REPO / "build" / "wheel" / ("python" + version), base + version, "base.txt")
    made.make(base, *row(PACKAGES_OF[version]), *BESIDE)
    yield Installed(made.folder, home)


@contextlib.contextmanager
def in_a_root(release):
    """An environment of Debian's Python in a system that has nothing else."""
    why = roots.why_not()
    if why:
        pytest.skip(why)
    root = roots.Root(release, ["python3-venv", "ca-certificates"])
    try:
        environment = Installed("/venv", "/home/somebody", root)
        environment.run("/usr/bin/python3", "-m", "venv", "/venv")
        environment.pip("install", "--quiet", *row(PACKAGES_OF[ROOTS[release]]), *BESIDE)
        yield environment
    finally:
        root.end()


@pytest.fixture(scope="module", params=[*PACKAGES_OF, *ROOTS])
def installed(request, wheel, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with in_a_root(request.param) if request.param in ROOTS else here(request.param, home) as environment:
        environment.before = environment.files()
        environment.install(wheel)
        yield environment
        environment.stop()
        environment.pip("uninstall", "--yes", "cellblock")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def notebook():
    return (kernels.REPO / "examples" / "quickstart.ipynb").read_text()
