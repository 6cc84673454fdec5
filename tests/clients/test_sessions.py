"""The Python package's sessions by llm-sandbox's names: programs that were written for it."""

import base64
import io
import os
import pathlib
import struct
import sys
import tarfile
import threading
import time
import warnings

import pytest
from support import kernels, package_index

PACKAGES = kernels.REPO / "share" / "python"
sys.path.insert(0, str(PACKAGES))

import cellblock  # noqa: E402
from cellblock import sessions  # noqa: E402
from cellblock import (ArtifactSandboxSession, FileType, InteractiveSandboxSession, PoolConfig, SandboxSession,  # noqa: E402
                       SandboxTimeoutError, create_pool_manager)
from cellblock.sessions import allowed_package, bytes_of, limits_of  # noqa: E402

pytestmark = pytest.mark.cellblock_only("the package starts cellblock itself")

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3], [2, 4, 6]); plt.show()"
SAVED = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.savefig('saved.png', dpi=50); plt.close()"


@pytest.fixture(scope="module")
def home(module_place):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**module_place.environment(), "CELLBLOCK": kernels.PROGRAM}.items():
            patch.setenv(name, value)
        patch.delenv("CELLBLOCK_POLICY", raising=False)
        yield module_place


@pytest.fixture(scope="module")
def shared(home):
    with SandboxSession(python=kernels.PYTHON) as made:
        yield made


@pytest.fixture
def session(shared):
    yield shared
    assert shared.run("print(6 * 7)").stdout == "42\n"


def opened(kind=SandboxSession, **options):
    return kind(**{"python": kernels.PYTHON, **options})


# --- the two programs of llm-sandbox's own first page

def test_numbers(home):
    with opened(lang="python", keep_template=True) as session:
        result = session.run("import numpy as np; print(np.mean([1, 2, 3]))", libraries=["numpy"])
        assert (result.stdout, result.stderr, result.exit_code, result.success()) == ("2.0\n", "", 0, True)


@pytest.mark.parametrize("kind", [SandboxSession, ArtifactSandboxSession, InteractiveSandboxSession])
def test_a_plot(home, kind):
    with opened(kind) as session:
        result = session.run(PLOT)
    image, = result.plots
    content = base64.b64decode(image.content_base64)
    assert image.format is FileType.PNG and content.startswith(b"\x89PNG") and result.stderr == ""
    assert struct.unpack(">II", content[16:24]) == (image.width, image.height) and image.dpi == 100


# --- each run is a program

def test_no_variable_outlives_its_run_and_files_do(session):
    assert session.run("x = 1; open('kept.txt', 'w').write('kept')").exit_code == 0
    result = session.run("print(open('kept.txt').read(), open('/sandbox/kept.txt').read())\nx")
    assert result.stdout == "kept kept\n" and result.exit_code == 1 and "NameError: name 'x' is not defined" in result.stderr
    assert "timeout" not in result.stderr and "line 2" in result.stderr


def test_each_run_finds_the_same_names(home):
    names = "print(sorted(name for name in globals() if not name.startswith('_')))"
    with opened() as session:
        first = session.run(names).stdout
        session.install(["numpy"])
        assert first == session.run(names).stdout and "'os'" not in first and "'file'" not in first
    with opened(InteractiveSandboxSession) as session:
        session.install(["numpy"])
        assert session.run(names).stdout == first


@pytest.mark.parametrize(("code", "status"), [
    ("pass", 0), ("import sys; sys.exit(3)", 3), ("exit(4)", 4), ("raise SystemExit", 0), ("import sys; sys.exit('no')", 1), ("1 / 0", 1),
    ("import os; os._exit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137), ("raise KeyboardInterrupt", 1), ("1 +", 1),
])
def test_exit_codes(session, code, status):
    assert session.run(code).exit_code == status


def test_it_ends_as_a_program_ends(session):
    code = ("import atexit, threading, time\natexit.register(print, 'at exit')\n"
            "threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()\nprint('main'); 6 * 7")
    assert session.run(code).stdout == "main\nthread\nat exit\n"
    assert session.run("import asyncio\nasync def main(): print('loop')\nasyncio.run(main())").stdout == "loop\n"


def test_callbacks(session):
    told = []
    result = session.run("import sys\nprint('out')\nprint('err', file=sys.stderr)", on_stdout=lambda text: told.append(("out", text)),
                         on_stderr=lambda text: told.append(("err", text)))
    assert "".join(text for name, text in told if name == "out") == result.stdout == "out\n"
    assert "".join(text for name, text in told if name == "err") == result.stderr == "err\n"


def test_a_time_limit(session):
    with pytest.raises(SandboxTimeoutError) as caught:
        session.run("while True: pass", timeout=0.5)
    assert caught.value.timeout_duration == 0.5 and "500 ms" in str(caught.value)
    assert session.run("%%timeout 300\nprint(1)", timeout=30).stdout == "1\n"


def test_time_limits_of_a_session(home):
    with opened(execution_timeout=0.5) as session, pytest.raises(SandboxTimeoutError):
        session.run("import time; time.sleep(60)")
    with opened(default_timeout=None) as session:
        assert session.run("import time; time.sleep(0.1); print(1)").stdout == "1\n"
    with opened(session_timeout=0.5) as session:
        time.sleep(1)
        end = time.monotonic() + 30
        while session.is_open:
            assert time.monotonic() < end
            time.sleep(0.05)
        with pytest.raises(SandboxTimeoutError, match="session_timeout"):
            session.run("1")


def test_a_session_that_isnt_open(home):
    session = opened()
    for use in (lambda: session.run("1"), lambda: session.execute_command("ls"), lambda: session.copy_from_runtime("a", "b")):
        with pytest.raises(cellblock.NotOpenSessionError):
            use()
    session.close()
    session.open()
    session.open()
    assert session.is_open and session.run("print(1)").stdout == "1\n"
    session.close()
    session.close()


# --- commands

def test_a_command(session):
    result = session.execute_command("echo out; echo err >&2; pwd; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n/sandbox\n", "err\n", 3)
    assert session.execute_command("mkdir -p sub; cd sub; pwd").stdout == "/sandbox/sub\n"
    assert session.execute_command("pwd", workdir="/sandbox/sub").stdout == "/sandbox/sub\n"
    assert session.execute_command("cat").stdout == ""  # nobody types
    assert session.execute_command("python -c 'import sys; print(sys.prefix)'").stdout == session.run("import sys; print(sys.prefix)").stdout
    assert session.execute_command("kill -9 $$").exit_code == 137 and session.execute_command("if").exit_code == 2
    with pytest.raises(cellblock.CommandEmptyError):
        session.execute_command("  ")


def test_commands(session):
    result = session.execute_commands([("pwd", "/tmp"), "echo 'a\"b' \\\\; exit 2", "echo never"])
    assert (result.stdout, result.exit_code) == ("a\"b \\\n", 2)
    assert session.execute_commands([]).exit_code == 0


# --- files

def test_files_and_folders_go_in_and_come_out(session, tmp_path):
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "inner" / "b.bin").write_bytes(bytes(1 << 20))
    (folder / "link").symlink_to("/etc/passwd")
    session.copy_to_runtime(str(folder), "/sandbox/put")
    session.copy_to_runtime(str(folder / "a.txt"), "new/place/a.txt")
    listed = session.run("import os; print(sorted(os.listdir('put')), os.path.getsize('put/inner/b.bin'), open('/sandbox/new/place/a.txt').read())")
    assert listed.stdout == "['a.txt', 'inner'] 1048576 a\n", listed.stderr

    session.run("import os; os.symlink('/etc/passwd', 'put/out'); os.mkfifo('put/fifo')")
    session.copy_from_runtime("/sandbox/put", str(tmp_path / "got"))
    got = sorted(str(path.relative_to(tmp_path / "got")) for path in (tmp_path / "got").rglob("*"))
    assert got == ["a.txt", "inner", "inner/b.bin"]
    session.copy_from_runtime("put/a.txt", str(tmp_path))
    session.copy_from_runtime("put/a.txt", str(tmp_path / "deep" / "er.txt"))
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "deep" / "er.txt").read_text() == "a"
    assert not list(tmp_path.glob(".cellblock-*"))

    content, facts = session.get_archive("/sandbox/put/inner")
    assert facts == {"name": "inner", "size": 1 << 20}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert [(one.name, one.isdir(), one.size) for one in tar] == [("inner", True, 0), ("inner/b.bin", False, 1 << 20)]


def test_a_link_of_the_hosts_is_not_followed(session, tmp_path):
    session.run("import os; os.makedirs('tree/link', exist_ok=True); open('tree/link/new', 'w').write('x'); open('tree/file', 'w').write('y')")
    outside, target = tmp_path / "outside", tmp_path / "to" / "tree"
    outside.mkdir()
    target.mkdir(parents=True)
    (outside / "mine").write_text("mine")
    (target / "file").symlink_to(outside / "mine")
    session.copy_from_runtime("tree/file", str(target / "file"))
    assert (target / "file").read_text() == "y" and (outside / "mine").read_text() == "mine"
    (target / "link").symlink_to(outside)
    with pytest.raises(cellblock.SandboxError, match="symbolic link"):
        session.copy_from_runtime("tree", str(tmp_path / "to"))
    assert [one.name for one in outside.iterdir()] == ["mine"]


def test_more_than_the_bounds(session, tmp_path, monkeypatch):
    from cellblock import session_files
    session.run("import os\nos.makedirs('much/' + '/'.join('d' * 40))\nfor n in range(30): open('much/%d' % n, 'w').write('x' * 100)")
    with pytest.raises(cellblock.SandboxError, match="folders within each other"):
        session.copy_from_runtime("much", str(tmp_path / "got"))
    session.execute_command("rm -r much/d")
    for name, bound in (("MOST_FILES", 20), ("MOST_BYTES", 1000)):
        with monkeypatch.context() as patch:
            patch.setattr(session_files, name, bound)
            for fetch in (lambda: session.copy_from_runtime("much", str(tmp_path / "got")), lambda: session.get_archive("much")):
                with pytest.raises(cellblock.SandboxError, match="ask for parts"):
                    fetch()
    assert list(tmp_path.iterdir()) == []
    session.copy_from_runtime("much", str(tmp_path / "got"))
    assert len(list((tmp_path / "got").iterdir())) == 30


@pytest.mark.parametrize("value", ["9" * 5000, "²", "-1", "3.5"])
def test_an_exit_status_that_is_none(session, value):
    assert session.run("class SystemExit(Exception): pass\nraise SystemExit(%r)" % value).exit_code in (0, 1)


def test_files_that_arent_there(session, tmp_path):
    with pytest.raises(FileNotFoundError):
        session.copy_to_runtime(str(tmp_path / "none"), "a")
    with pytest.raises(FileNotFoundError):
        session.copy_from_runtime("/sandbox/none", str(tmp_path / "b"))
    assert list(tmp_path.iterdir()) == []


# --- figures

def test_figures_add_up_until_they_are_cleared(home, monkeypatch):
    with opened(ArtifactSandboxSession) as session:
        assert len(session.run(PLOT).plots) == 1
        plots = session.run(SAVED).plots
        assert [(plot.format, plot.dpi) for plot in plots] == [(FileType.PNG, 100), (FileType.PNG, 50)]
        assert len(session.run("print(1)").plots) == 2
        assert session.run("print(1)", clear_plots=True).plots == []
        assert len(session.run(SAVED).plots) == 1
        session.clear_plots()
        assert session.run("print(1)").plots == []
        monkeypatch.setattr(sessions, "MOST_SAVED_BYTES", 100)
        assert session.run("open('large.png', 'wb').write(bytes(101)); open('small.png', 'wb').write(bytes(99))").plots[0].format is FileType.PNG
        assert len(session.run("1").plots) == 1
        monkeypatch.setattr(sessions, "MOST_PLOTS_BYTES", 200)
        assert len(session.run("open('small.png', 'wb').write(bytes(98))").plots) == 1
    with opened(ArtifactSandboxSession, enable_plotting=False) as session:
        assert session.run(PLOT).plots == []


# --- variables that last

def test_an_interactive_session(home):
    with opened(InteractiveSandboxSession) as session:
        session.run("x = 6")
        assert session.run("x * 7").stdout == "42\n"
        assert session.execute_command("echo $0; pwd").stdout.endswith("/sandbox\n")
        assert session.run("print(x)").stdout == "6\n"
        error = session.run("1 / 0")
        assert error.exit_code == 1 and "ZeroDivisionError" in error.stderr
    with pytest.raises(ValueError, match="nonsense"):
        InteractiveSandboxSession(kernel_type="nonsense")


# --- packages

@pytest.fixture(scope="module")
def index():
    with package_index.Index() as made:
        made.add(*package_index.wheel("cbtestdemo", files={"cbtestdemo.py": "value = 42\n"}))
        yield made


def test_what_is_there_needs_no_index(session):
    session.install(["numpy"])
    session.install(None)
    session.install([])


def test_libraries_are_installed_for_the_session(home, index):
    options = {"policy": {"packages": {"index": index.url}}}
    with opened(libraries=["cbtestdemo"], **options) as session:
        for _ in range(2):
            assert session.run("import cbtestdemo; print(cbtestdemo.value)", libraries=["cbtestdemo"]).stdout == "42\n"
    with opened(**options) as session:
        session.run("import os; os.mkdir('kept'); open('kept/file', 'w').write('kept')")
        result = session.run("import cbtestdemo; print(cbtestdemo.value, open('kept/file').read())", libraries=["cbtestdemo==1.0"])
        assert result.stdout == "42 kept\n", result.stderr
        with pytest.raises(cellblock.CommandFailedError, match="cbtestnone"):
            session.install(["cbtestnone"])


@pytest.mark.parametrize("wrong", ["--index-url=http://x", "a b; ls", "cb\ntest", "", "a\"b", "a @ http://x/a.whl", "../a", "a>=1; b"])
def test_what_is_no_package(session, wrong):
    with pytest.raises(cellblock.CommandFailedError, match="no package's name"):
        session.install([wrong])


def test_names_of_packages():
    assert [allowed_package(one) for one in ("a", "a.b-c_d", "a[x,y]", "a >= 2, <3", " a==1.0+cpu ")] == ["a", "a.b-c_d", "a", "a>=2,<3", "a==1.0+cpu"]


def test_a_named_policy_stays_as_it_is(home):
    with opened(policy="default") as session:
        assert session.run("import os; print(os.getcwd())").stdout == "/work\n"
        session.copy_to_runtime(__file__, "/sandbox/in.py")
        assert session.run("print(__import__('os').listdir())").stdout == "['in.py']\n"
        with pytest.raises(cellblock.CommandFailedError, match="packages"):
            session.install(["cbtestnone"])


# --- what is asked for, and what is refused

def test_limits():
    assert limits_of({"mem_limit": "512m", "cpu_count": 2, "pids_limit": 64}) == {"memory": "524288KiB", "cpus": 2.0, "processes": 64}
    assert limits_of({"cpu_quota": 50_000, "cpu_period": 100_000}) == {"cpus": 0.5} and limits_of({"nano_cpus": 1_500_000_000}) == {"cpus": 1.5}
    assert [bytes_of(one) for one in ("1g", "1GB", "1.5 GiB", "100", 7)] == [1 << 30, 1 << 30, 3 << 29, 100, 7]
    with pytest.raises(ValueError, match="no size"):
        bytes_of("much")


def test_a_limit_holds(home):
    with opened(runtime_configs={"mem_limit": "200m"}) as session:
        assert session.run("bytearray(400 << 20)").exit_code != 0


def test_names_of_containers_have_no_effect_and_say_so(home):
    with pytest.warns(UserWarning, match="backend has no effect"):
        SandboxSession(backend="docker")
    with pytest.warns(UserWarning, match="image has no effect"):
        SandboxSession(image="python:3.12")
    with pytest.warns(UserWarning, match="'volumes'"):
        SandboxSession(runtime_configs={"volumes": {}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SandboxSession(backend="cellblock", keep_template=True, commit_container=True, verbose=True, stream=True,
                       runtime_configs={"network_mode": "none", "read_only": True})
    with pytest.raises(cellblock.LanguageNotSupportedError, match="java"):
        SandboxSession(lang="java")


def test_a_wrong_policy_is_told_when_it_opens(home):
    with pytest.raises(cellblock.SandboxError, match="limits.memory"):
        opened(policy={"limits": {"memory": "much"}}).open()


def test_a_look_at_the_source():
    severe, mild = cellblock.SecurityIssueSeverity.HIGH, cellblock.SecurityIssueSeverity.LOW
    policy = cellblock.SecurityPolicy(severe)
    policy.add_pattern(cellblock.SecurityPattern(r"os\.system", "a shell", severe))
    policy.add_pattern(cellblock.SecurityPattern("eval", "eval", mild))
    policy.add_restricted_module(cellblock.RestrictedModule("socket", "the network", severe))
    session = SandboxSession(security_policy=policy)
    for code in ("os.system('ls')", "import socket", "import os, socket", "from socket import socket", "x = 1; import socket as s"):
        assert not session.is_safe(code)[0], code
    for code in ("print(1)", "# import socket", "eval('1')", "import sockets", "import websocket"):
        assert session.is_safe(code)[0], code
    assert [one.description for one in session.is_safe("eval('1')")[1]] == ["eval"]


# --- pools

def test_a_pool_bounds_how_many_are_in_use(home):
    with create_pool_manager(config=PoolConfig(max_pool_size=1, acquisition_timeout=0.3), python=kernels.PYTHON) as pool:
        first = pool.acquire()
        with pytest.raises(cellblock.PoolExhaustedError):
            opened(pool=pool).open()
        threading.Timer(0.1, lambda: pool.release(first)).start()
        pool.config.acquisition_timeout = 60
        with opened(pool=pool) as second:
            assert second.run("print(2)").stdout == "2\n" and pool.get_stats()["in_use"] == 1
        assert pool.get_stats()["in_use"] == 0
        left = pool.acquire()
    assert not left.is_open
    with pytest.raises(cellblock.PoolClosedError):
        opened(pool=pool).open()


@pytest.mark.parametrize(("strategy", "works"), [("fail_fast", False), ("temporary", True)])
def test_what_a_full_pool_does(home, strategy, works):
    with create_pool_manager(config=PoolConfig(max_pool_size=1, exhaustion_strategy=strategy)) as pool, opened(pool=pool):
        if works:
            with opened(pool=pool) as second:
                assert second.run("print(2)").stdout == "2\n"
        else:
            with pytest.raises(cellblock.PoolExhaustedError):
                opened(pool=pool).open()


def test_a_pools_arguments():
    for wrong in ({"max_pool_size": 0}, {"min_pool_size": 11}, {"min_pool_size": -1}, {"exhaustion_strategy": "none"}):
        with pytest.raises(ValueError):
            PoolConfig(**wrong)


def test_results_as_json():
    plot = cellblock.PlotOutput(FileType.PNG, "aGk=")
    result = cellblock.ExecutionResult(0, "", "out", [plot])
    assert '"plots"' not in result.to_json() and '"format": "png"' in result.to_json(include_plots=True)
    with pytest.warns(DeprecationWarning):
        assert result.text() == "out"


def test_nothing_is_left(home):
    folder = pathlib.Path(os.environ["XDG_CACHE_HOME"] if "XDG_CACHE_HOME" in os.environ else pathlib.Path.home() / ".cache") / "cellblock" / "empty"
    assert not folder.exists() or list(folder.iterdir()) == []
