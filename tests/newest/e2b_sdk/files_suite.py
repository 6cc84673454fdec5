"""Files of a sandbox by E2B's SDK."""

import datetime
import io
import urllib.error
import urllib.request

import pytest
from e2b import FileNotFoundException, FilesystemEventType, FileType, InvalidArgumentException, SandboxException
from support import leftovers


@pytest.mark.parametrize("data", ["text, Grüße\n", b"\x00\xff bytes", b"", "x" * 300_000], ids=["text", "bytes", "empty", "long"])
def test_write_and_read(lasting_box, data):
    told = lasting_box.files.write("a.txt", data)
    assert (told.name, told.type, told.path) == ("a.txt", FileType.FILE, "/home/user/a.txt")
    whole = data.encode() if isinstance(data, str) else data
    read = lasting_box.files.read("a.txt", format="bytes")
    assert isinstance(read, bytearray) and bytes(read) == whole
    if isinstance(data, str):
        assert lasting_box.files.read("a.txt") == data
    assert b"".join(lasting_box.files.read("a.txt", format="stream")) == whole


def test_a_stream_of_ten_megabytes(lasting_box):
    block = bytes(range(256)) * 4096
    lasting_box.files.write("big.bin", io.BytesIO(block * 10))
    with lasting_box.files.read("big.bin", format="stream") as stream:
        assert b"".join(stream) == block * 10
    lasting_box.files.write("pieces.bin", (block for _ in range(3)))
    assert lasting_box.run_code("import os; os.path.getsize('big.bin'), os.path.getsize('pieces.bin')").text == str((10 << 20, 3 << 20))
    for name in ("big.bin", "pieces.bin"):
        lasting_box.files.remove(name)


@pytest.mark.parametrize("options", [{"use_octet_stream": True}, {"use_octet_stream": False}], ids=str)
def test_ways_of_writing(lasting_box, options):
    data = "in another way, " * 1000
    assert lasting_box.files.write("way.txt", data, **options).path == "/home/user/way.txt"
    assert lasting_box.files.read("way.txt") == lasting_box.files.read("way.txt", gzip=True) == data


@pytest.mark.parametrize("data", ["packed, Grüße\n", b"\x00\xff" * 4_000_000, b"", io.BytesIO(b"from a file" * 100_000)], ids=["text", "8 MB", "empty", "file"])
def test_compressed_uploads(lasting_box, data):
    whole = data.encode() if isinstance(data, str) else data if isinstance(data, bytes) else data.getvalue()
    assert lasting_box.files.write("packed.txt", data, gzip=True).path == "/home/user/packed.txt"
    assert bytes(lasting_box.files.read("packed.txt", format="bytes")) == bytes(lasting_box.files.read("packed.txt", format="bytes", gzip=True)) == whole
    assert lasting_box.run_code("import os; os.path.getsize('packed.txt')").text == str(len(whole))
    lasting_box.files.remove("packed.txt")


def test_compressed_uploads_of_several_and_in_pieces(lasting_box):
    block = bytes(range(256)) * 4096
    lasting_box.files.write_files([{"path": "one", "data": "1"}, {"path": "two", "data": (block for _ in range(9))}], gzip=True)
    assert lasting_box.files.read("one") == "1" and bytes(lasting_box.files.read("two", format="bytes")) == block * 9
    lasting_box.files.remove("one"), lasting_box.files.remove("two")


def test_a_compressed_upload_that_is_longer_than_the_disk(lasting_box):
    with pytest.raises(SandboxException, match="too long|413"):
        lasting_box.files.write("packed.txt", (bytes(1 << 20) for _ in range(300)), gzip=True)
    assert not lasting_box.files.exists("packed.txt")


def test_writing_replaces_and_makes_folders(box):
    box.files.write("deep/er/a b.txt", "long text")
    box.files.write("deep/er/a b.txt", "short")
    assert box.files.read("/home/user/deep/er/a b.txt") == "short"
    assert box.run_code("open('deep/er/a b.txt').read()").text == "short"


def test_cells_commands_and_files_see_the_same(box):
    box.run_code("open('/home/user/by_cell.txt', 'w').write('by a cell')")
    assert box.files.read("by_cell.txt") == "by a cell" == box.files.read("/home/user/by_cell.txt") == box.commands.run("cat by_cell.txt").stdout
    box.commands.run("echo by a command > /tmp/by_command.txt")
    assert box.files.read("/tmp/by_command.txt") == "by a command\n" == box.run_code("print(open('/tmp/by_command.txt').read(), end='')").logs.stdout[0]


def test_write_several(box):
    told = box.files.write_files([{"path": "one.txt", "data": "1"}, {"path": "sub/two.bin", "data": b"\x02"}, {"path": "/tmp/three.txt", "data": io.StringIO("3")}])
    assert [one.path for one in told] == ["/home/user/one.txt", "/home/user/sub/two.bin", "/tmp/three.txt"]
    assert [one.name for one in told] == ["one.txt", "two.bin", "three.txt"]
    assert (box.files.read("one.txt"), box.files.read("sub/two.bin", format="bytes"), box.files.read("/tmp/three.txt")) == ("1", b"\x02", "3")
    assert box.files.write_files([]) == []


def test_list(box):
    box.files.write("d/a.txt", "12345")
    box.files.write("d/sub/deeper/b.txt", "b")
    entries = {one.name: one for one in box.files.list("d")}
    assert set(entries) == {"a.txt", "sub"}
    file, folder = entries["a.txt"], entries["sub"]
    assert (file.type, file.path, file.size) == (FileType.FILE, "/home/user/d/a.txt", 5) and folder.type == FileType.DIR
    assert file.permissions.startswith("-rw") and file.mode & 0o600 == 0o600
    assert abs((file.modified_time - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < 60
    assert {one.path for one in box.files.list("d", depth=3)} == {"/home/user/d/" + name for name in ("a.txt", "sub", "sub/deeper", "sub/deeper/b.txt")}
    assert {one.path for one in box.files.list("/home/user/d/sub")} == {"/home/user/d/sub/deeper"}
    box.files.make_dir("none")
    assert box.files.list("none") == []
    with pytest.raises(FileNotFoundException):
        box.files.list("not-there")
    with pytest.raises(InvalidArgumentException):
        box.files.list("d/a.txt")


def test_exists_and_get_info(box):
    assert not box.files.exists("a.txt")
    box.files.write("a.txt", "123")
    assert box.files.exists("a.txt") and box.files.exists("/home/user/a.txt") and box.files.exists("/home/user")
    told = box.files.get_info("a.txt")
    assert (told.name, told.type, told.path, told.size) == ("a.txt", FileType.FILE, "/home/user/a.txt", 3) and told.owner and told.group
    assert box.files.get_info("/home/user").type == FileType.DIR
    box.commands.run("ln -s a.txt link")
    told = box.files.get_info("link")  # unlike E2B's, without symlink_target: where a link leads isn't told
    assert (told.type, told.size) == (FileType.FILE, 3)
    with pytest.raises(FileNotFoundException):
        box.files.get_info("none")


def test_make_dir(box):
    assert box.files.make_dir("one/two") is True and box.files.make_dir("one/two") is False and box.files.exists("one/two")
    box.files.write("file", "x")
    with pytest.raises(SandboxException):
        box.files.make_dir("file/below")


def test_rename(box):
    box.files.write("old.txt", "kept")
    told = box.files.rename("old.txt", "new.txt")
    assert (told.name, told.path) == ("new.txt", "/home/user/new.txt") and box.files.read("new.txt") == "kept" and not box.files.exists("old.txt")
    box.files.make_dir("d")
    assert box.files.rename("d", "e").type == FileType.DIR
    with pytest.raises(FileNotFoundException):
        box.files.rename("none", "other")


def test_remove(box):
    box.files.write("d/a.txt", "x")
    box.files.remove("d/a.txt")
    assert not box.files.exists("d/a.txt")
    box.files.write("d/b.txt", "x")
    box.files.remove("d")
    assert not box.files.exists("d")
    box.files.remove("never-there")


def test_not_found(box):
    for format_ in ("text", "bytes", "stream"):
        with pytest.raises(FileNotFoundException):
            box.files.read("none.txt", format=format_)
    with pytest.raises(SandboxException):
        box.files.read("/home/user")


def test_names_that_need_care(box):
    for name in ("a b.txt", "ümläut.txt", "per%20cent.txt", "quote'\".txt", "plus+&=?#.txt"):
        box.files.write(name, name)
        assert box.files.read(name) == name, name
    assert {one.name for one in box.files.list(".")} >= {"a b.txt", "ümläut.txt", "per%20cent.txt", "quote'\".txt", "plus+&=?#.txt"}


def test_nothing_of_the_host(lasting_box, tmp_path):
    """The server's own files are no sandbox's, by whichever path."""
    (tmp_path / "host.txt").write_text("of the host")
    for path in (str(tmp_path / "host.txt"), "../../../" + str(tmp_path / "host.txt"), "/proc/1/root" + str(tmp_path / "host.txt")):
        with pytest.raises((SandboxException, FileNotFoundException)):
            lasting_box.files.read(path)
    lasting_box.commands.run("ln -sf %s/host.txt out.txt" % tmp_path)
    with pytest.raises((SandboxException, FileNotFoundException)):
        lasting_box.files.read("out.txt")
    with pytest.raises(SandboxException):
        lasting_box.files.write("/etc/passwd", "x")
    with pytest.raises(SandboxException):
        lasting_box.files.write("/usr/bin/x", "x")
    assert (tmp_path / "host.txt").read_text() == "of the host"


def fetched(request):
    """(status, body)"""
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def test_signed_addresses(box):
    """A browser follows them, without the token and without headers."""
    box.files.write("a b.txt", "signed")
    box.files.write("other.txt", "other")
    for url in (box.download_url("a b.txt"), box.download_url("a b.txt", use_signature_expiration=60)):
        assert fetched(url) == (200, b"signed")
        for wrong in (url.replace("a%20b.txt", "other.txt"), url.replace("signature=v1_", "signature=v1_x"), url.partition("&")[0]):
            assert wrong != url and fetched(wrong)[0] in (401, 502)
        assert fetched(urllib.request.Request(url, method="POST", data=b"x", headers={"Content-Type": "application/octet-stream"}))[0] in (401, 502)
    assert fetched(box.download_url("a b.txt", use_signature_expiration=-60))[0] in (401, 502)
    up = urllib.request.Request(box.upload_url("up.txt", use_signature_expiration=60), method="POST", data=b"sent", headers={"Content-Type": "application/octet-stream"})
    assert fetched(up)[0] == 200 and box.files.read("up.txt") == "sent"
    url = box.download_url("up.txt")
    box.kill()
    assert fetched(url)[0] == 502


def test_watching_a_folder(box):
    """What has changed is told from one look to the next, some seconds later than E2B does."""
    box.files.make_dir("seen")
    watcher = box.files.watch_dir("seen")
    box.files.write("seen/new.txt", "new")
    found = []
    assert leftovers.wait_until(lambda: found.extend(watcher.get_new_events()) or any(one.name == "new.txt" for one in found), 10), found
    box.files.remove("seen/new.txt")
    assert leftovers.wait_until(lambda: found.extend(watcher.get_new_events()) or any(one.type == FilesystemEventType.REMOVE for one in found), 10), found
    watcher.stop()
    with pytest.raises(FileNotFoundException):
        box.files.watch_dir("none")
