"""What of the host can be seen from a cell: nothing of its users, processes, environment."""

import pytest


def test_only_the_system_is_visible(host):
    secret = host.file("home/secret.txt", "hunter2", 0o600)
    seen = host.value(f"""
        import json, os
        print(json.dumps({{"root": sorted(os.listdir("/")), "home": [name for name in os.listdir(os.path.expanduser("~")) if name not in (".ipython", ".config")],
                           "config": [name for _, _, names in os.walk(os.path.expanduser("~/.config")) for name in names],
                           "homes": sorted(os.listdir("/home")), "user": os.path.realpath("/home/user"), "secret": os.path.exists({str(secret)!r}),
                           "folder": os.path.exists({str(host.folder)!r}), "tmp": [name for name in os.listdir("/tmp") if name != ".ipython"],
                           "etc": sorted(os.listdir("/etc"))}}))
    """)
    assert not seen["secret"] and not seen["folder"]
    # /home/user is a link to the working directory, for code that was written for other services.
    assert seen["homes"] == ["cell", "user"] and seen["user"] == "/work" and seen["home"] == [] and seen["tmp"] == []
    assert all(name.startswith("fontlist-") for name in seen["config"]), seen["config"]  # matplotlib's, which the daemon has made
    assert set(seen["root"]) <= {"bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc",
                                 "sbin", "tmp", "usr", "var", "work"}
    assert not {"shadow", "ssh", "sudoers", "machine-id"} & set(seen["etc"])


def test_the_hosts_processes_are_invisible(host):
    pids = host.value("import json, os; print(json.dumps([p for p in os.listdir('/proc') if p.isdigit()]))")
    assert len(pids) <= 4 and "1" in pids


def test_the_environment_is_empty(host):
    names = host.value("import json, os; print(json.dumps(dict(os.environ)))")
    assert "SECRET_TOKEN" not in names and "hunter2" not in str(names)
    assert names["HOME"] == "/home/cell" and names["PATH"] == "/usr/local/bin:/usr/bin:/bin"


@pytest.mark.parametrize("name", ["environ", "mem", "fd", "maps", "root", "cwd", "exe", "task/1/mem"])
def test_the_warden_is_closed_to_the_worker(host, name):
    assert host.value("""
        import json, os
        try:
            path = '/proc/1/%s'
            os.listdir(path) if os.path.basename(path) == 'fd' else os.readlink(path) if os.path.islink(path) \\
                else open(path, 'rb').read(1)
            print(json.dumps('reached'))
        except PermissionError:
            print(json.dumps('refused'))
    """ % name) == "refused"


def test_no_descriptor_of_the_host_is_open(host):
    targets = host.value("""
        import json, os
        found = []
        for fd in os.listdir('/proc/self/fd'):
            try: found.append(os.readlink(f'/proc/self/fd/{fd}'))
            except OSError: pass
        print(json.dumps(found))
    """)
    for target in targets:
        assert target.startswith(("/dev/null", "socket:", "pipe:", "anon_inode:", "/proc/", "/dev/pts")), targets


def test_identity(host):
    assert host.value("""
        import json, os, pwd, socket
        print(json.dumps([os.getuid(), os.getgid(), os.getgroups() in ([], [1000], [65534]),
                          pwd.getpwuid(os.getuid()).pw_name, socket.gethostname(), os.getcwd()]))
    """) in ([1000, 1000, True, "cell", "cellblock", "/work"],)
