"""Packages as a way out: wheels that are evil, an index that lies, a worker that asks for what it may not."""

import hashlib
import io
import os
import tarfile
import zipfile

import pytest
from jails import leftovers
from support.package_index import Index, wheel

MARK = "import pathlib; pathlib.Path('/tmp/cellblock-setup-ran').write_text('ran')\n"


@pytest.fixture
def index():
    with Index() as made:
        yield made


@pytest.fixture
def install(host, index):
    """install(code, **packages) runs cells after `%pip install evil`."""
    def run(code="", command="%pip install evil", **packages):
        rules = {"index": index.url, "allow": ["evil"], **packages}
        result = host.run(command + "\n" + code, policy={"packages": rules})
        assert not leftovers(host)
        return result
    return run


def source_archive(name):
    """A source distribution whose setup.py leaves a mark."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, text in (("PKG-INFO", "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % name), ("setup.py", MARK)):
            entry = tarfile.TarInfo("%s-1.0/%s" % (name, path))
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return "%s-1.0.tar.gz" % name, out.getvalue()


def with_entry(built, path, data=b"x", mode=0o644):
    """The wheel with one more entry, as zipfile would never be asked to write it."""
    file, content = built
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        entry = zipfile.ZipInfo(path)
        entry.external_attr = mode << 16
        archive.writestr(entry, data)
    return file, out.getvalue()


def test_no_setup_py_runs(install, index, host):
    index.add(*source_archive("evil"))
    result = install()
    assert result["status"] == "error", result
    assert "evil" in result["error"]["evalue"]
    assert not (host.folder / "cellblock-setup-ran").exists()


def test_no_setup_py_of_a_direct_address_runs(install, index):
    index.add(*source_archive("helper"))
    index.add(*wheel("evil", requires=["helper @ %s/helper/helper-1.0.tar.gz" % index.url.replace("/simple", "/files")]))
    result = install()
    assert result["status"] == "error", result


def test_no_wheel_of_a_direct_address(install, index):
    index.add(*wheel("helper"))
    index.add(*wheel("evil", requires=["helper @ %s/helper/helper-1.0-py3-none-any.whl" % index.url.replace("/simple", "/files")]))
    result = install()
    assert result["status"] == "error" and "address of its own" in result["error"]["evalue"], result


@pytest.mark.parametrize("path, mode", [
    ("../escaped.py", 0o644), ("/tmp/escaped.py", 0o644), ("evil-1.0.data/scripts/../../../escaped", 0o644),
    ("evil-1.0.data/data/../../../../../../etc/escaped", 0o644), ("link.py", 0o120777), ("a/" * 40 + "deep.py", 0o644),
    ("new\nline.py", 0o644)])
def test_odd_entries_of_a_wheel_stay_inside_or_are_refused(install, index, host, path, mode):
    index.add(*with_entry(wheel("evil"), path, b"/etc/passwd", mode))
    result = install("import os; print(sorted(os.listdir('/packages')), os.path.islink('/packages/link.py'))")
    assert not result["stdout"].endswith("True\n"), "a link came out"
    cache = host.home / ".cache" / "cellblock" / "packages"
    assert not [one for one in cache.rglob("*") if one.is_symlink()]
    assert not [one for one in cache.rglob("escaped*") if "entries" not in one.parts]
    for place in (host.folder, host.home):
        assert not list(place.glob("escaped*"))


def test_a_wheel_that_is_not_what_the_index_says(install, index):
    file, data = wheel("evil")
    index.add(file, data)
    other = wheel("evil", files={"evil.py": "print('other bytes')\n"})[1]
    index.answer["/files/evil/" + file] = lambda handler: handler.give("application/octet-stream", other)
    result = install()
    assert result["status"] == "error", result
    assert hashlib.sha256(other).hexdigest()[:16] in result["error"]["evalue"] or "HASH" in result["error"]["evalue"].upper()


def test_a_bomb_meets_the_size_of_the_policy(install, index, host):
    index.add(*wheel("evil", files={"evil.py": b"0" * (64 << 20)}))
    result = install(size="8MiB")
    assert result["status"] == "error" and "packages.size" in result["error"]["evalue"], result
    assert sum(one.stat().st_size for one in (host.home / ".cache").rglob("*") if one.is_file()) < 1 << 20


def test_several_wheels_meet_it_together(install, index, host):
    for name, needs in (("evil", ["more"]), ("more", [])):
        index.add(*wheel(name, requires=needs, files={name + ".py": b"# " + os.urandom(5 << 20).hex().encode()[:5 << 20]}))
    result = install(size="8MiB")
    assert result["status"] == "error" and "packages.size" in result["error"]["evalue"], result
    assert sum(one.stat().st_size for one in (host.home / ".cache").rglob("*") if one.is_file()) < 8 << 20


def test_many_files_meet_their_bound(install, index):
    index.add(*wheel("evil", files={"evil/%d.py" % number: "" for number in range(52_000)}))
    result = install()
    assert result["status"] == "error" and "too many files" in result["error"]["evalue"], result


def test_an_index_that_sends_rubbish(install, index):
    index.answer["/simple/evil/"] = lambda handler: handler.give("text/html", bytes(range(256)) * 4096)
    assert install()["status"] == "error"


def test_a_wheel_that_is_none(install, index):
    index.add("evil-1.0-py3-none-any.whl", b"PK\x03\x04 and no more")
    assert install()["status"] == "error"


def test_a_terminal_is_not_written_to_by_names(install, index):
    index.add(*wheel("evil", requires=["helper\x1b[2J"]))
    result = install()
    assert "\x1b[2J" not in result["stdout"] + str(result["error"])


def test_what_is_installed_cannot_be_changed(install, index):
    index.add(*wheel("evil"))
    result = install("""
import os
for path in ('/packages/evil.py', '/packages/new', '/packages/evil-1.0.dist-info/x'):
    try:
        open(path, 'w').write('x')
        print('wrote', path)
    except OSError as error:
        pass
try:
    os.chmod('/packages/evil.py', 0o777)
    print('chmod')
except OSError:
    pass
print('end', open('/packages/evil.py').read())
""")
    assert result["status"] == "ok" and "wrote" not in result["stdout"] and "chmod" not in result["stdout"], result


def test_the_cell_itself_reaches_no_index(install, index):
    index.add(*wheel("evil"))
    result = install("""
import urllib.request
try:
    urllib.request.urlopen(%r, timeout=3)
    print('reached')
except OSError:
    print('none')
""" % index.url)
    assert result["stdout"].endswith("none\n"), result


ASK = "get_ipython().packages._channel.send(dict({'type': 'install_request', 'cell': %s, 'request': 1, " \
      "'requirements': ['evil'], 'upgrade': False}, **%s))\nimport time; time.sleep(1)\nprint('lived')"


@pytest.mark.parametrize("cell, fields", [
    ("99", "{}"), ("0", "{}"), ("1", "{'requirements': 'evil'}"), ("1", "{'requirements': [1]}"), ("1", "{'upgrade': None}"),
    ("1", "{'requirements': ['x'] * 20_000}")])
def test_a_worker_that_asks_wrongly_loses_its_sandbox(host, index, cell, fields):
    result = host.run(ASK % (cell, fields), policy={"packages": {"index": index.url, "allow": ["evil"]}})
    assert result["status"] == "killed" and "lived" not in result["stdout"], result
    assert not leftovers(host)


def test_two_requests_at_once_are_a_violation(host, index):
    code = "\n".join([(ASK % ("1", "{}")).split("\n")[0]] * 2) + "\nimport time; time.sleep(2)"
    result = host.run(code, policy={"packages": {"index": index.url, "allow": ["evil"]}})
    assert result["status"] == "killed", result
    assert not leftovers(host)


@pytest.mark.parametrize("requirement", ["--index-url=http://127.0.0.1:1", "evil\\n--pre", "evil @ file:///etc/passwd", "../evil", "e" * 5000, ""])
def test_a_worker_that_asks_for_what_is_no_requirement_is_answered(host, index, requirement):
    code = (ASK % ("1", "{'requirements': ['%s']}" % requirement)).replace("print('lived')", """
frame = get_ipython().packages._replies.wait_for(1)[0]
print(frame['error'])""")
    result = host.run(code, policy={"packages": {"index": index.url, "allow": ["*"]}})
    assert result["status"] == "ok" and "requirement" in result["stdout"], result
    assert index.asked == []


def test_without_a_policy_that_allows_it_a_request_is_refused(host, index):
    code = (ASK % ("1", "{}")).replace("print('lived')", "print(get_ipython().packages._replies.wait_for(1)[0]['error'])")
    result = host.run(code, policy={"packages": {"index": index.url}})
    assert result["status"] == "ok" and "packages.allow: nothing" in result["stdout"], result
    assert index.asked == []
