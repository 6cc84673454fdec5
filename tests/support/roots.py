"""Bare Debian systems in folders, made by mmdebstrap, and commands that run in them."""

import os
import pathlib
import shutil
import subprocess
import tempfile

ROOTS = pathlib.Path(__file__).with_suffix(".sh")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# In a chroot Linux gives nobody a user namespace, so the folder becomes the namespace's root.
MOUNT = """
set -e
mount --bind "$1" "$1"
cd "$1"
for name in proc sys dev; do mount --rbind "/$name" "$name"; done
pivot_root . .
umount -l .
cd /
echo mounted
exec sleep infinity
"""


def why_not():
    """The reason why no root can be made here; None where one can."""
    if os.geteuid() != 0:
        return "only root may make a root"
    return None if shutil.which("mmdebstrap") else "mmdebstrap is missing: apt-get install mmdebstrap"


class Root:
    """A release's smallest system and these packages. One mount namespace is kept for all of its commands: what one
    of them starts, the next one finds. `end` removes everything."""

    def __init__(self, release, packages):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cellblock-root-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self._holder = None
        try:
            self.folder.chmod(0o755)
            subprocess.run(["bash", "-c", '. "$0"; make_root "$@"', ROOTS, release, self.folder, *packages], check=True, timeout=900)
            for file in ("/etc/resolv.conf", AUTHORITIES):  # as this system reaches others
                if os.path.exists(file):
                    self.outside(file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, self.outside(file))
            self._holder = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation", "private", "bash", "-c",
                                             MOUNT, "mount", self.folder], stdout=subprocess.PIPE, text=True)
            assert self._holder.stdout.readline() == "mounted\n"
        except BaseException:
            self.end()
            raise

    def command(self, arguments, variables, folder="/"):
        """The command line that, started outside, runs this inside, in that folder, with these variables alone."""
        return ["nsenter", "--mount=/proc/%d/ns/mnt" % self._holder.pid, "--", "env", "--ignore-environment", "--chdir=" + str(folder),
                *("%s=%s" % one for one in variables.items()), *map(str, arguments)]

    def outside(self, path):
        """The path of a file of the root for whoever is outside."""
        return self.folder / str(path).lstrip("/")

    def end(self):
        if self._holder:
            self._holder.kill()
            self._holder.wait()
            self._holder.stdout.close()
        shutil.rmtree(self.folder)
