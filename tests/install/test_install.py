"""`cellblock install`: where it writes, what, and what it refuses before it writes anything."""
import json
import os
import subprocess
import venv

import pytest
from support import kernels

DEBIAN_PYTHON = "/usr/bin/python3"
LOGOS = {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}


def spec_in(prefix, name="cellblock"):
    return prefix / "share" / "jupyter" / "kernels" / name


def read_spec(folder):
    return json.loads((folder / "kernel.json").read_text())


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_user_install_writes_a_whole_kernelspec(cellblock):
    done = cellblock("install", "--user", "--python", DEBIAN_PYTHON)
    assert done.returncode == 0, done.stderr
    folder = cellblock.home / ".local/share/jupyter/kernels/cellblock"
    spec = read_spec(folder)
    assert spec["argv"] == [str(cellblock.program), "kernel", "-f", "{connection_file}", "--policy", "notebook",
                            "--python", DEBIAN_PYTHON]
    assert spec["display_name"] == "Python (cellblock)"
    assert spec["interrupt_mode"] == "message"
    assert spec["language"] == "python"
    assert spec["kernel_protocol_version"] == "5.3"
    has_debugpy = subprocess.run([DEBIAN_PYTHON, "-c", "import debugpy"], capture_output=True, check=False).returncode == 0
    assert spec["metadata"] == {"debugger": has_debugpy, "supported_encryption": ["curve"]}
    assert ("no debugpy" in done.stdout) is not has_debugpy
    assert {file.name for file in folder.iterdir()} == LOGOS | {"kernel.json"}
    assert str(folder) in done.stdout and "jupyter lab" in done.stdout


def test_no_debugger_is_promised_where_the_policy_has_none(cellblock, tmp_path):
    assert cellblock("install", "--prefix", tmp_path / "p", "--python", DEBIAN_PYTHON, "--policy", "default").returncode == 0
    assert read_spec(tmp_path / "p/share/jupyter/kernels/cellblock")["metadata"] == {"debugger": False, "supported_encryption": ["curve"]}


def test_a_debugger_that_the_audit_log_excludes_is_told(cellblock, tmp_path):
    (tmp_path / "mine.json").write_text('{"debugger": true, "audit": "/tmp/cells.log"}')
    done = cellblock("install", "--prefix", tmp_path, "--policy", "mine.json", "--python", DEBIAN_PYTHON)
    assert done.returncode == 0 and "debugger" in done.stdout and "audit" in done.stdout, done.stdout
    assert read_spec(spec_in(tmp_path))["metadata"] == {"debugger": False, "supported_encryption": ["curve"]}


def test_jupyter_finds_it(cellblock, tmp_path):
    cellblock("install", "--prefix", tmp_path / "p", "--python", DEBIAN_PYTHON)
    env = dict(os.environ, JUPYTER_PATH=str(tmp_path / "p/share/jupyter"))
    listed = subprocess.run(
        [DEBIAN_PYTHON, "-c", "from jupyter_client.kernelspec import KernelSpecManager as M;"
         "s = M().get_kernel_spec('cellblock'); print(s.display_name, s.interrupt_mode)"],
        env=env, capture_output=True, text=True, timeout=60)
    assert listed.stdout.strip() == "Python (cellblock) message", listed.stderr


def test_user_folder_follows_jupyters_variables(cellblock, tmp_path):
    for name, below in (("JUPYTER_DATA_DIR", "kernels"), ("XDG_DATA_HOME", "jupyter/kernels")):
        done = cellblock("install", "--user", "--python", DEBIAN_PYTHON, env={name: str(tmp_path / name)})
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / below / "cellblock" / "kernel.json").exists()


def test_prefix_name_and_display_name(cellblock, tmp_path):
    done = cellblock("install", "--prefix", "here", "--name", "safe", "--display-name", 'My "safe" Python',
                     "--python", DEBIAN_PYTHON)
    assert done.returncode == 0, done.stderr
    assert read_spec(spec_in(tmp_path / "here", "safe"))["display_name"] == 'My "safe" Python'


def test_as_takes_another_kernels_place_and_keeps_the_display_name(cellblock, tmp_path):
    done = cellblock("install", "--prefix", tmp_path, "--as", "python3", "--python", DEBIAN_PYTHON)
    assert done.returncode == 0, done.stderr
    assert read_spec(spec_in(tmp_path, "python3"))["display_name"] == "Python (cellblock)"


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_sys_prefix_is_the_active_environments(cellblock, tmp_path, variable):
    done = cellblock("install", "--sys-prefix", "--python", DEBIAN_PYTHON, env={variable: str(tmp_path / "env")})
    assert done.returncode == 0, done.stderr
    assert (spec_in(tmp_path / "env") / "kernel.json").exists()


def test_sys_prefix_without_an_active_environment_is_python3s(cellblock, tmp_path):
    venv.create(tmp_path / "env", with_pip=False, system_site_packages=True)
    done = cellblock("install", "--sys-prefix", "--python", DEBIAN_PYTHON,
                     env={"PATH": f"{tmp_path / 'env/bin'}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    assert (spec_in(tmp_path / "env") / "kernel.json").exists()


def test_a_virtual_environments_python_is_kept_as_it_is(cellblock, tmp_path):
    subprocess.run([DEBIAN_PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", tmp_path / "env"],
                   check=True, timeout=60)
    done = cellblock("install", "--prefix", tmp_path, "--python", tmp_path / "env/bin/python")
    assert done.returncode == 0, done.stderr
    assert read_spec(spec_in(tmp_path))["argv"][-1] == str(tmp_path / "env/bin/python")


def test_a_python_without_ipython_is_refused_before_anything_is_written(cellblock, tmp_path):
    subprocess.run([DEBIAN_PYTHON, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=60)
    done = cellblock("install", "--prefix", tmp_path, "--python", tmp_path / "bare/bin/python")
    assert done.returncode == 1
    assert "has no IPython" in done.stderr and "pip install ipython" in done.stderr
    assert not (tmp_path / "share").exists()


@pytest.mark.parametrize("version", ["7.34.0", "8.4.0"])
def test_an_old_ipython_is_refused(cellblock, tmp_path, version):
    subprocess.run([DEBIAN_PYTHON, "-m", "venv", "--without-pip", tmp_path / "old"], check=True, timeout=60)
    package = next((tmp_path / "old/lib").iterdir()) / "site-packages/IPython"
    package.mkdir()
    (package / "__init__.py").write_text(f"__version__ = '{version}'\n")
    done = cellblock("install", "--prefix", tmp_path, "--python", tmp_path / "old/bin/python")
    assert done.returncode == 1
    assert version in done.stderr and "8.5" in done.stderr


def test_the_first_python_of_path_that_is_fit_is_chosen(cellblock, tmp_path):
    script(tmp_path / "bin/python3", "#!/bin/sh\necho not really a python; exit 1\n")
    done = cellblock("install", "--prefix", tmp_path, env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert read_spec(spec_in(tmp_path))["argv"][-1] == DEBIAN_PYTHON


def test_no_fit_python_says_what_each_lacks(cellblock, tmp_path):
    script(tmp_path / "bin/python3", "#!/bin/sh\necho not really a python; exit 1\n")
    done = cellblock("install", "--prefix", tmp_path, env={"PATH": str(tmp_path / "bin")})
    assert done.returncode == 1
    assert str(tmp_path / "bin/python3") in done.stderr and "apt-get install python3-ipython" in done.stderr


def test_a_policy_file_goes_in_by_its_absolute_path(cellblock, tmp_path):
    (tmp_path / "mine.json").write_text('{"limits": {"cell_time": "5s"}}')
    done = cellblock("install", "--prefix", tmp_path, "--policy", "mine.json", "--python", DEBIAN_PYTHON)
    assert done.returncode == 0, done.stderr
    argv = read_spec(spec_in(tmp_path))["argv"]
    assert argv[argv.index("--policy") + 1] == str(tmp_path / "mine.json")


def test_a_broken_policy_is_refused_before_anything_is_written(cellblock, tmp_path):
    (tmp_path / "mine.json").write_text('{"limits": {"cell_tme": "5s"}}')
    done = cellblock("install", "--prefix", tmp_path, "--policy", "mine.json", "--python", DEBIAN_PYTHON)
    assert done.returncode == 1
    assert "limits.cell_tme" in done.stderr and "limits.cell_time" in done.stderr
    assert not (tmp_path / "share").exists()


@pytest.mark.parametrize("arguments", [
    ("--user", "--prefix", "x"), ("--user", "--sys-prefix"), ("--name", "../x"), ("--name", ""), ("--as", "a/b"),
    ("--name", "a", "--as", "b"), ("--display-name", ""), ("--nonsense",)])
def test_errors_of_usage_have_status_2_and_one_line(cellblock, arguments):
    done = cellblock("install", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_an_unwritable_target_is_a_clear_error(cellblock, tmp_path):
    (tmp_path / "file").write_text("x")
    done = cellblock("install", "--prefix", tmp_path / "file", "--python", DEBIAN_PYTHON)
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr and "--user" in done.stderr


def test_installing_again_replaces(cellblock, tmp_path):
    cellblock("install", "--prefix", tmp_path, "--python", DEBIAN_PYTHON)
    cellblock("install", "--prefix", tmp_path, "--policy", "default", "--python", DEBIAN_PYTHON)
    argv = read_spec(spec_in(tmp_path))["argv"]
    assert argv[argv.index("--policy") + 1] == "default"
    assert len(list(spec_in(tmp_path).iterdir())) == 4


def test_the_packages_own_kernelspec_promises_a_debugger_and_recommends_one(tmp_path):
    """As ipykernel's: nothing of the Python that will be there is known when the package is made."""
    build = kernels.REPO / "build"
    if not (build / "cmake_install.cmake").exists():
        pytest.skip("build/ isn't configured")
    subprocess.run(["cmake", "--install", build, "--prefix", tmp_path], check=True, capture_output=True, timeout=60)
    assert read_spec(spec_in(tmp_path))["metadata"] == {"debugger": True, "supported_encryption": ["curve"]}
    program = (kernels.REPO / "debian" / "control").read_text().split("\n\n")[1]
    assert program.startswith("Package: cellblock\n") and "python3-debugpy" in program.partition("Recommends:")[2].partition("Suggests:")[0]
