"""`cellblock uninstall`: it removes what `cellblock install` has written, and nothing else."""
import json
import os

import pytest

DEBIAN_PYTHON = "/usr/bin/python3"


def folder_in(prefix, name="cellblock"):
    return prefix / "share" / "jupyter" / "kernels" / name


@pytest.mark.parametrize("place", [["--user"], ["--prefix", "p"], ["--prefix", "p", "--name", "mine"], ["--prefix", "p", "--as", "python3"]])
def test_it_removes_what_install_wrote(cellblock, tmp_path, place):
    assert cellblock("install", *place, "--python", DEBIAN_PYTHON).returncode == 0
    before = {path for path in tmp_path.rglob("kernel.json")}
    assert len(before) == 1
    done = cellblock("uninstall", *place)
    assert done.returncode == 0 and not done.stderr, done.stderr
    folder = before.pop().parent
    assert not folder.exists() and folder.parent.is_dir() and str(folder) in done.stdout


def test_a_second_time_it_says_that_there_is_none(cellblock, tmp_path):
    done = cellblock("uninstall", "--prefix", tmp_path)
    assert done.returncode == 1 and str(folder_in(tmp_path)) in done.stderr and "jupyter kernelspec list" in done.stderr


def test_sys_prefix_is_the_active_environments(cellblock, tmp_path):
    for command in (["install", "--python", DEBIAN_PYTHON], ["uninstall"]):
        assert cellblock(*command, "--sys-prefix", env={"VIRTUAL_ENV": str(tmp_path / "v")}).returncode == 0
    assert not folder_in(tmp_path / "v").exists()


@pytest.mark.parametrize("text", [
    json.dumps({"argv": ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]}),
    json.dumps({"argv": ["/usr/bin/cellblock", "run", "x.py"]}), json.dumps({"argv": ["cellblock"]}), json.dumps({"argv": "cellblock kernel"}),
    json.dumps({"argv": [1, "kernel"]}), json.dumps([]), "{}", "", "no json", "[" * 50_000, "x" * 100_000,
], ids=range(11))
def test_anothers_kernelspec_stays(cellblock, tmp_path, text):
    folder = folder_in(tmp_path, "python3")
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(text)
    (folder / "logo-svg.svg").write_text("<svg/>")
    done = cellblock("uninstall", "--prefix", tmp_path, "--name", "python3")
    assert done.returncode == 1 and str(folder) in done.stderr, done.stderr
    assert {path.name for path in folder.iterdir()} == {"kernel.json", "logo-svg.svg"}


def test_other_files_in_the_folder_stay(cellblock, tmp_path):
    assert cellblock("install", "--prefix", tmp_path, "--python", DEBIAN_PYTHON).returncode == 0
    (folder_in(tmp_path) / "notes.txt").write_text("mine")
    done = cellblock("uninstall", "--prefix", tmp_path)
    assert done.returncode == 0 and "stays" in done.stdout
    assert [path.name for path in folder_in(tmp_path).iterdir()] == ["notes.txt"]


def test_a_wheels_kernelspec_is_pips(cellblock, tmp_path):
    folder = folder_in(tmp_path)
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": ["{resource_dir}/../../../../bin/cellblock", "kernel"]}))
    done = cellblock("uninstall", "--prefix", tmp_path)
    assert done.returncode == 1 and "pip uninstall cellblock" in done.stderr and (folder / "kernel.json").exists()


def test_a_link_is_removed_and_not_followed(cellblock, tmp_path):
    assert cellblock("install", "--prefix", tmp_path, "--python", DEBIAN_PYTHON).returncode == 0
    logo = folder_in(tmp_path) / "logo-svg.svg"
    logo.unlink()
    (tmp_path / "mine.svg").write_text("mine")
    logo.symlink_to(tmp_path / "mine.svg")
    assert cellblock("uninstall", "--prefix", tmp_path).returncode == 0
    assert (tmp_path / "mine.svg").read_text() == "mine" and not folder_in(tmp_path).exists()


@pytest.mark.parametrize("arguments", [["--user", "--sys-prefix"], ["--name", "../x"], ["--name", "a", "--as", "b"], ["--prefix", ""], ["--nonsense"]])
def test_errors_of_usage_have_status_2(cellblock, arguments):
    done = cellblock("uninstall", *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") <= 2 and not done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove anything")
def test_a_folder_that_cant_be_written_is_a_clear_error(cellblock, tmp_path):
    assert cellblock("install", "--prefix", tmp_path, "--python", DEBIAN_PYTHON).returncode == 0
    folder_in(tmp_path).chmod(0o555)
    done = cellblock("uninstall", "--prefix", tmp_path)
    folder_in(tmp_path).chmod(0o755)
    assert done.returncode == 1 and "Permission denied" in done.stderr and (folder_in(tmp_path) / "kernel.json").exists()
