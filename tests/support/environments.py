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
