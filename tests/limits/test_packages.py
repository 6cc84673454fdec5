"""%pip install under the policy's `packages`: what a person sees, with a real index on loopback."""

import json
import os
import signal
import subprocess
import time

import pytest
from support import kernels, leftovers
from support.package_index import Index, wheel

pytestmark = pytest.mark.cellblock_only("a key of the policy")


@pytest.fixture
def index():
    with Index() as made:
        made.add(*wheel("sample-lib", "1.0", requires=["helper-lib>=0.2"], scripts={"say-sample": "sample_lib:say"}, files={
            "sample_lib.py": "import helper_lib\nversion = '1.0'\ndef say(): print('the script says', helper_lib.version)\n"}))
        made.add(*wheel("sample-lib", "2.0"))
        made.add(*wheel("helper-lib", "0.3"))
        made.add(*wheel("other-lib", "5.0"))
        yield made


@pytest.fixture
def user_place(any_user):
    made = kernels.Place(any_user)
    yield made
    made.remove()


@pytest.fixture
def session(user_place, start, index):
    """session(**packages) starts a kernel whose policy has these `packages`."""
    def make(**packages):
        rules = {"index": index.url, "allow": ["sample-lib<2"], **packages}
        return start(place=user_place, policy=user_place.policy("packages", packages=rules,
                                                                limits={"cell_time": "20s"}))
    return make


def store(place):
    return place.root / "cache" / "cellblock" / "packages"


def test_an_allowed_package_is_there_at_once(session, user_place):
    client = session().client
    assert client.run("import sample_lib").content["ename"] == "ModuleNotFoundError"
    run = client.run("%pip install sample-lib").ok()
    assert "Collecting sample-lib" in run.stdout
    assert "Successfully installed sample-lib-1.0 helper-lib-0.3" in run.stdout
    assert client.run("import sample_lib; sample_lib.version").result == "'1.0'"
    assert client.run("!say-sample").ok().stdout.strip() == "the script says 0.3"
    child = "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'import sample_lib; print(7)'], text=True))"
    assert client.run(child).ok().stdout.strip() == "7"
    assert "sample-lib" in client.run("%pip list").ok().stdout
    assert client.run("import importlib.metadata as m; m.version('sample-lib')").result == "'1.0'"
    assert store(user_place).stat().st_mode & 0o777 == 0o700


def test_another_version_takes_the_place_of_the_first_whole(session):
    client = session(allow=["sample-lib"]).client
    client.run("%pip install sample-lib==1.0").ok()
    assert "Successfully installed sample-lib-2.0" in client.run("%pip install sample-lib==2.0").ok().stdout
    code = "import importlib.metadata as m; sorted(one.version for one in m.distributions(path=['/packages']))"
    assert client.run(code).result == "['0.3', '2.0']"
    assert "1.0" not in client.run("import os; sorted(os.listdir('/packages'))").result


def test_what_the_python_has_needs_no_leave_and_the_rest_of_a_file_is_installed(session, index):
    client = session().client
    run = client.run("%%writefile r.txt\nipython\nsample-lib<2\n")
    run = client.run("%pip install -r r.txt").ok()
    assert "Requirement already satisfied: ipython in /" in run.stdout and "Successfully installed sample-lib-1.0" in run.stdout
    asked = list(index.asked)
    assert "Requirement already satisfied: sample-lib<2 in /packages (1.0)" in client.run("%pip install -r r.txt").ok().stdout
    assert index.asked == asked


def test_what_is_not_allowed_is_refused_by_name(session, index):
    client = session().client
    for asked in ("other-lib", "Other_Lib", "sample-lib other-lib", "helper-lib"):
        run = client.run("%pip install " + asked)
        assert run.status == "error" and "doesn't allow" in run.content["evalue"], asked
        assert "packages.allow" in run.content["evalue"] and "sample-lib<2" in run.content["evalue"]
    assert index.asked == []


def test_a_version_outside_the_range_is_refused(session):
    client = session().client
    run = client.run("%pip install sample-lib==2.0")
    assert run.status == "error" and "sample-lib<2" in run.content["evalue"], run.content
    assert client.run("6 * 7").result == "42"


def test_nothing_is_allowed_by_default(start, user_place):
    client = start(place=user_place, policy=user_place.policy("plain")).client
    run = client.run("%pip install sample-lib")
    assert run.status == "error"
    assert "packages can't be installed" in run.content["evalue"] and "packages.allow" in run.content["evalue"]
    assert "who keeps the policy" in run.content["evalue"]
    assert not store(user_place).exists()


def test_dependencies_only_where_the_policy_lets_them_come(session):
    client = session(dependencies=False).client
    run = client.run("%pip install sample-lib")
    assert run.status == "error" and "helper-lib" in run.content["evalue"] and "packages.dependencies" in run.content["evalue"]
    client = session(dependencies=False, allow=["sample-lib<2", "helper-lib"]).client
    client.run("%pip install sample-lib").ok()


@pytest.mark.parametrize("words", [
    "--index-url=http://127.0.0.1:1/ sample-lib", "-r requirements.txt", "-e .", ".", "/tmp/x-1.0-py3-none-any.whl",
    "git+https://example.org/x", "'sample-lib @ http://127.0.0.1/x.whl'", "'sample-lib; python_version>\"x'",
    "'sample-lib\\n--pre'", "''", "", "'sample-lib[x'", "--pre sample-lib", "'sample-lib==1.0 --hash=x'", "x" * 300])
def test_nothing_but_names_and_versions(session_of_many, index_of_many, words):
    run = session_of_many.run("get_ipython().run_line_magic('pip', 'install ' + %r)" % words)
    assert run.status == "error" and run.content["ename"] == "UsageError", run.content
    assert index_of_many.asked == []


def test_a_marker_decides_whether_a_package_is_asked_for(session_of_many, index_of_many):
    ignored = session_of_many.run("%pip install 'sample-lib; python_version<\"3\"'").ok()
    assert "Ignoring sample-lib" in ignored.stdout and index_of_many.asked == []


@pytest.fixture(scope="module")
def index_of_many():
    with Index() as made:
        made.add(*wheel("sample-lib"))
        yield made


@pytest.fixture(scope="module")
def session_of_many(module_place, index_of_many):
    kernel = kernels.Kernel(module_place, policy=module_place.policy("many", packages={
        "index": index_of_many.url, "allow": ["sample-lib"]}))
    yield kernel.client
    assert not kernel.stop()


def test_it_stays_after_a_death_and_a_restart_and_goes_with_the_session(session, user_place, start):
    kernel = session()
    kernel.client.run("%pip install sample-lib").ok()
    assert kernel.client.run("import os; os._exit(3)").status == "error"
    assert kernel.client.run("import sample_lib; sample_lib.version").result == "'1.0'"
    kernel.client.send("control", "shutdown_request", {"restart": True})
    kernel.process.wait(20)
    again = start(place=user_place, command=[kernels.PROGRAM, "kernel", "-f", str(kernel.file), "--policy",
                                             str(user_place.root / "work" / "packages.json")], info=kernel.info)
    assert again.client.run("import sample_lib; sample_lib.version").result == "'1.0'"
    assert "already satisfied" in again.client.run("%pip install sample-lib").ok().stdout
    assert not again.stop()
    assert list((store(user_place) / "sessions").iterdir()) == []
    assert not list(store(user_place).glob("incoming-*"))


def test_another_session_has_none_of_it_and_gets_it_from_the_store(session, index):
    first, second = session().client, session().client
    first.run("%pip install sample-lib").ok()
    assert second.run("import sample_lib").content["ename"] == "ModuleNotFoundError"
    second.run("%pip install sample-lib").ok()
    assert second.run("import sample_lib; sample_lib.version").result == "'1.0'"


def test_an_upgrade_takes_the_place_of_what_was_there(session):
    client = session(allow=["sample-lib"]).client
    client.run("%pip install sample-lib==1.0").ok()
    client.run("%pip install -U sample-lib").ok()
    assert client.run("import sample_lib; sample_lib.version").result == "'2.0'"
    assert client.run("import importlib.metadata as m; m.version('sample-lib')").result == "'2.0'"


def test_what_was_loaded_before_is_told(session):
    client = session(allow=["sample-lib"]).client
    client.run("%pip install sample-lib==1.0").ok()
    client.run("import sample_lib").ok()
    # names as packages and as modules differ by a dash only here
    assert "restart the kernel" in client.run("%pip install -U sample-lib").ok().stdout


@pytest.fixture
def slow_index(index):
    """Answers nothing about sample-lib until the test ends."""
    held = []
    index.answer["/simple/sample-lib/"] = lambda handler: [held.append(1), [time.sleep(0.1) for _ in range(600) if held]]
    yield index
    held.clear()


def test_an_install_that_takes_too_long_is_stopped(session, slow_index):
    client = session(time="2s").client
    run = client.run("%pip install sample-lib")
    assert run.status == "error" and "packages.time" in run.content["evalue"]
    assert client.run("6 * 7").result == "42"


def test_the_cell_clock_stands_still_meanwhile(user_place, start, slow_index):
    client = start(place=user_place, policy=user_place.policy("short", limits={"cell_time": "1s"}, packages={
        "index": slow_index.url, "allow": ["*"], "time": "3s"})).client
    assert "packages.time" in client.run("%pip install sample-lib").content["evalue"]


def test_an_interrupt_ends_it_and_its_builder(session, slow_index):
    kernel = session()
    kernel.client.run("kept = 1").ok()
    before = set(kernel.tree())
    request = kernel.client.execute("%pip install sample-lib")
    assert leftovers.wait_until(lambda: slow_index.asked, 60)
    kernel.client.send("control", "interrupt_request", {})
    assert kernel.client.finish(request).content["ename"] == "KeyboardInterrupt"
    assert kernel.client.run("kept").result == "1"
    assert leftovers.wait_until(lambda: set(kernel.tree()) <= before, 10)


def test_a_builder_that_is_killed_is_an_error_and_no_more(session, slow_index):
    kernel = session()
    kernel.client.run("pass").ok()
    before = set(kernel.tree())
    request = kernel.client.execute("%pip install sample-lib")
    assert leftovers.wait_until(lambda: slow_index.asked, 60)
    leftovers.send(signal.SIGKILL, set(kernel.tree()) - before)
    assert "builder" in kernel.client.finish(request).content["evalue"]
    assert kernel.client.run("6 * 7").result == "42"


def test_an_index_that_is_not_there(session):
    client = session(index="http://127.0.0.1:1/simple", time="60s").client
    run = client.run("%pip install sample-lib")
    assert run.status == "error" and "sample-lib" in run.content["evalue"]


def test_a_python_without_pip_says_how_to_get_it(user_place, start, index):
    """A policy's Python of its own, made without pip."""
    bare = user_place.root / "bare"
    subprocess.run([kernels.PYTHON, "-m", "venv", "--without-pip", bare], check=True)
    site = next(bare.glob("lib/python3*/site-packages"))
    (site / "system.pth").write_text("/usr/lib/python3/dist-packages\n")
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").write_text("raise ImportError('none')\n")
    policy = user_place.policy("bare", packages={"index": index.url, "allow": ["sample-lib"]})
    text = json.loads((user_place.root / "work" / "bare.json").read_text())
    text["python"] = str(bare / "bin" / "python")
    (user_place.root / "work" / "bare.json").write_text(json.dumps(text))
    run = start(place=user_place, policy=policy).client.run("%pip install sample-lib")
    assert run.status == "error" and "has no pip" in run.content["evalue"], run.content


def test_a_policy_cannot_show_files_where_packages_are_seen(user_place, start, index):
    files = [{"host": str(user_place.root / "work"), "sandbox": "/packages/mine"}]
    client = start(place=user_place, policy=user_place.policy("both", files=files, packages={
        "index": index.url, "allow": ["sample-lib"]})).client
    run = client.run("1")
    assert run.status == "error" and "installed packages" in run.content["evalue"], run.content


def test_without_namespaces_there_is_no_builder(user_place, start, index):
    policy = user_place.policy("no-namespaces", require="no-namespaces", packages={"index": index.url, "allow": ["sample-lib"]})
    client = start(place=user_place, command=[*kernels.lesser_host(kernels.NO_NAMESPACES), kernels.PROGRAM, "kernel",
                                              "-f", "{connection_file}", "--policy", policy]).client
    run = client.run("%pip install sample-lib")
    assert run.status == "error" and "namespaces" in run.content["evalue"], run.content
    assert client.run("6 * 7").result == "42" and index.asked == []


def test_a_store_that_cannot_be_made_is_told(user_place, start, index):
    (user_place.root / "cache" / "cellblock").write_text("no folder")
    client = start(place=user_place, policy=user_place.policy("packages", packages={
        "index": index.url, "allow": ["sample-lib"]})).client
    run = client.run("%pip install sample-lib")
    assert run.status == "error" and "XDG_CACHE_HOME" in run.content["evalue"], run.content
    assert client.run("6 * 7").result == "42"
