"""Virtual environments with packages from PyPI, made anew when what they are made of changes."""

import pathlib
import shutil
import subprocess


class Environment:
    """`stamp` is what it is made of, as text; its copy in the folder, written last, says that it is whole."""

    def __init__(self, folder, stamp, stamp_name):
        self.folder = pathlib.Path(folder)
        self.python = self.folder / "bin" / "python"
        self._stamp = stamp
        self._stamp_file = self.folder / stamp_name

    def is_ready(self):
        return self._stamp_file.exists() and self._stamp_file.read_text() == self._stamp

    def make(self, base, *packages):
        """packages: pip's arguments."""
        if self.is_ready():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([base, "-m", "venv", self.folder], check=True)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        self._stamp_file.write_text(self._stamp)


class NodeEnvironment:
    """A folder with the packages that a package.json names, from npm. A copy of package.json, written last, says that the folder is whole."""

    def __init__(self, folder, package):
        self.folder = pathlib.Path(folder)
        self._package = pathlib.Path(package).read_text()
        self._stamp_file = self.folder / "made-of.json"

    def is_ready(self):
        return self._stamp_file.exists() and self._stamp_file.read_text() == self._package

    def make(self):
        if self.is_ready():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "package.json").write_text(self._package)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=self.folder, check=True)
        self._stamp_file.write_text(self._package)
