"""Whose files a zygote imports: they run on the host, outside of any sandbox.

The daemon has judged the Python itself (sandbox/pool/trust.cc). Here each module, each folder of packages and each
.pth file is judged before it runs: its owner must be this user or root, and nobody else may write to it, to the folder
that it lies in, or to those above. Users are not named here, as all of this memory can be read by cells: the daemon
tells the numbers of the groups that have no other member.
"""

import os
import stat
import sys


class Refused(Exception):
    """This Python can't be kept warm. The reason is for the user."""


class Trust:
    """As a finder, the first one: whatever another one finds is judged."""

    def __init__(self, groups):
        self.users = {0, os.geteuid()}
        self.groups = set(groups)
        self.folders = set()  # found good, with all above them
        self.refusal = None   # of a module; whoever asked for it may have made do without it

    # --- files

    def check(self, path):
        """A file, or a folder of packages. One that isn't there is nobody's to change."""
        if not os.path.lexists(path):
            return
        self.check_folder(os.path.dirname(os.path.abspath(path)))
        if os.path.islink(path):
            return self.check(os.path.realpath(path))
        self.look(path, inside=True)

    def check_folder(self, folder):
        """One that something is imported from: there the sticky bit wouldn't keep others from adding files."""
        if folder in self.folders:
            return
        for way in {folder, os.path.realpath(folder)}:
            self.look(way, inside=True)
            while way != os.path.dirname(way):
                way = os.path.dirname(way)
                self.look(way, inside=False)
        self.folders.add(folder)

    def look(self, path, inside):
        info = os.stat(path)
        sticky = info.st_mode & stat.S_ISVTX and not inside
        by_all = info.st_mode & stat.S_IWOTH and not sticky
        by_group = info.st_mode & stat.S_IWGRP and not sticky and (info.st_gid not in self.groups or has_more_rights(path))
        if info.st_uid not in self.users or by_all or by_group:
            raise Refused("others may change %s, and a warm Python runs outside of a sandbox%s"
                            % (path, ". `chmod go-w %s`, if nobody else needs to" % path if by_all or by_group else ""))

    # --- modules

    def find_spec(self, name, path=None, target=None):
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                self.judge(spec)
                return spec
        return None

    def judge(self, spec):
        if not spec.has_location or hasattr(spec.loader, "outside"):  # our own: the daemon has judged them
            return
        try:
            self.check(spec.origin)
            if spec.cached and os.path.exists(spec.cached):
                self.check(spec.cached)
        except Refused as reason:
            self.refusal = reason
            raise


def has_more_rights(path):
    """By an access list, which a group's bits then stand for."""
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def judge_packages(trust):
    """Runs site: adds folders of packages, and runs what .pth files say. Each is judged first."""
    import site
    plain = site.addsitedir

    def addsitedir(folder, known=None):
        if os.path.isdir(folder):
            trust.check_folder(os.path.abspath(folder))
            for name in os.listdir(folder):
                if name.endswith(".pth"):
                    trust.check(os.path.join(folder, name))
        return plain(folder, known)

    site.addsitedir = addsitedir
    try:
        site.main()
    finally:
        site.addsitedir = plain
