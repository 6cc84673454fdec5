"""What VS Code's Jupyter extension asks of a kernel: at its start, for its views of variables and tables.

Written anew after what the extension sends: executes that aren't stored, that may ask for input and whose errors stop
nothing. None may fail here, and none fails on ipykernel.
"""

import json

import pytest

FIELDS = {"silent": False, "store_history": False, "stop_on_error": False, "allow_stdin": True}

WIDGETS = """
try:
    import ipywidgets as _VSCODE_ipywidgets
    print("version:" + _VSCODE_ipywidgets.__version__)
    del _VSCODE_ipywidgets
except:
    pass
"""

MODULE = """
def __VSCODE_inject_module():
    import sys as __VSCODE_sys
    import IPython as __VSCODE_IPython

    def call(function, data=None):
        import IPython.display
        IPython.display.display({"text/plain": function}, raw=True)

    module = type(__VSCODE_IPython)("vscode")
    module.chat = type(__VSCODE_IPython)("chat")
    module.chat.call_function = call
    __VSCODE_sys.modules["vscode"] = module


__VSCODE_inject_module()
del __VSCODE_inject_module
__vsc_ipynb_file__ = "/a/book.ipynb"
%config Completer.use_jedi = False
try:
    import matplotlib
    %matplotlib inline
    _VSCode_defaultMatplotlib_Params = dict(matplotlib.rcParams)

    matplotlib.rcParams.update(_VSCode_defaultMatplotlib_Params)
except:
    print('Failed to initialize matplotlib startup code. Matplotlib might be missing.')

import os as _VSCODE_os
try:
    _VSCODE_os.chdir("/no/such/folder")
except:
    pass

del _VSCODE_os
"""

FIGURES = """
import matplotlib_inline.backend_inline
from matplotlib_inline.backend_inline import set_matplotlib_formats
set_matplotlib_formats('svg', 'png')
%config InlineBackend.figure_formats = ['png']
%config InlineBackend.rc = {'figure.dpi': 72}
matplotlib.style.use('dark_background')
matplotlib.rcParams.update(_VSCode_defaultMatplotlib_Params)
"""

INTERPRETER = "import sys as _VSCODE_sys\nprint(_VSCODE_sys.executable); del _VSCODE_sys"

CELL_NAMES = """
import types as _VSCODE_types
import os
from IPython import get_ipython

def _VSCODE_wrap(wrapped):
    inner = wrapped.__func__
    def wrapper(*args, **kwargs):
        if kwargs.get("store_history"):
            os.environ["IPYKERNEL_CELL_NAME"] = "<ipython-input-%d-0123456789ab>" % args[0].execution_count
        try:
            return inner(*args, **kwargs)
        finally:
            os.environ.pop("IPYKERNEL_CELL_NAME", None)
    return _VSCODE_types.MethodType(wrapper, wrapped.__self__)

if get_ipython() and get_ipython().run_cell:
    get_ipython().run_cell = _VSCODE_wrap(get_ipython().run_cell)
"""

TYPES = """
def _VSCODE_getVariable(what_to_get, is_debugging, *args):
    import json as _VSCODE_json
    import builtins as _VSCODE_builtins

    def types(names):
        found = {}
        for name in names:
            if name in globals():
                found[name] = _VSCODE_builtins.type(globals()[name]).__name__
        return found

    if what_to_get == "types":
        _VSCODE_builtins.print(_VSCODE_json.dumps(types(*args)))
    elif what_to_get == "info":
        variable, = args
        _VSCODE_builtins.print(_VSCODE_json.dumps({"type": type(variable).__name__, "count": len(variable)}))


_VSCODE_rwho_ls = %who_ls
_VSCODE_getVariable("types", False, _VSCODE_rwho_ls)

try:
    del _VSCODE_getVariable
except:
    pass
try:
    del _VSCODE_rwho_ls
except:
    pass
"""

FRAME = """
def _VSCODE_getDataFrame(what_to_get, is_debugging, *args):
    import pandas as _VSCODE_pd
    import pandas.io.json as _VSCODE_pd_json
    import json as _VSCODE_json
    import numpy as _VSCODE_np
    frame = args[0]
    if what_to_get == "info":
        columns = [{"key": str(name), "type": str(frame[name].dtype)} for name in frame.columns]
        print(_VSCODE_json.dumps({"columns": columns, "rowCount": len(frame), "shape": list(frame.shape),
                                  "indexColumn": frame.index.name or "index"}))
    else:
        rows = frame.iloc[args[1]:args[2]]
        print(_VSCODE_pd_json.ujson_dumps(rows.to_dict("records")) if hasattr(_VSCODE_pd_json, "ujson_dumps")
              else rows.to_json(orient="records"))


_VSCODE_getDataFrame(%s)

try:
    del _VSCODE_getDataFrame
except:
    pass
"""

ENTRY_POINTS = """
def _VSCODE_entry_points():
    import json, os, sys
    folders = [os.path.join(sys.prefix, "share", "jupyter", "nbextensions")]
    found = [os.path.join(folder, one) for folder in folders if os.path.isdir(folder) for one in os.listdir(folder)]
    print(json.dumps(found))

_VSCODE_entry_points()
del _VSCODE_entry_points
"""

BACKGROUND = """
def __jupyter_exec_background__():
    from IPython.display import display
    from threading import Thread
    from traceback import format_exc

    output = display({"application/vnd.vscode.bg.execution.%(n)d": ""}, raw=True, display_id=True)

    def do_implementation():
        %(code)s

    def bg_main():
        try:
            output.update({"application/vnd.vscode.bg.execution.%(n)d.result": do_implementation()}, raw=True)
        except Exception as e:
            output.update({"application/vnd.vscode.bg.execution.%(n)d.error": format_exc()}, raw=True)

    Thread(target=bg_main, daemon=True).start()


__jupyter_exec_background__()
del __jupyter_exec_background__
"""


def asked(client, code, **fields):
    run = client.run(code, **{**FIELDS, **fields})
    assert run.status == "ok", run.content
    assert not run.of("error") and run.stderr == "", (run.of("error"), run.stderr)
    return run


@pytest.fixture
def client(kernel):
    """A front end that would answer questions, and is never asked."""
    kernel.client.on_input = lambda request: pytest.fail("VS Code was asked for input: %s" % request.content)
    yield kernel.client
    kernel.client.on_input = None


@pytest.mark.parametrize("code", [WIDGETS, MODULE, INTERPRETER, ENTRY_POINTS, "", "import os;os.getcwd();", "%who_ls"],
                         ids=["widgets", "startup", "interpreter", "entry points", "no user commands", "folder", "names"])
def test_what_is_asked_at_the_start(client, code):
    asked(client, code)


def test_the_startup_finds_matplotlib_and_stays_in_the_folder(client):
    before = asked(client, "import os; print(os.getcwd())").stdout
    assert "Failed" not in asked(client, MODULE).stdout
    assert asked(client, "import vscode; print(os.getcwd())").stdout == before
    assert len(asked(client, INTERPRETER).stdout.strip().splitlines()) == 1


def test_requests_that_are_not_stored_use_no_number(client):
    first = client.run("1").ok().content["execution_count"]
    asked(client, MODULE)
    asked(client, INTERPRETER)
    assert client.run("2").ok().content["execution_count"] == first + 1


def test_figures_after_the_configuration_of_their_looks(client):
    asked(client, MODULE)
    asked(client, FIGURES)
    run = client.run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert run.ok().of("display_data")[0].content["data"].get("image/png"), run.mimes


def test_cells_run_with_the_hook_for_their_names(client):
    asked(client, CELL_NAMES)
    assert client.run("6 * 7").ok().result == "42"


def test_the_types_of_variables(client):
    asked(client, "vsc_list = [1, 2]\nvsc_text = 'x'")
    told = json.loads(asked(client, TYPES).stdout)
    assert (told["vsc_list"], told["vsc_text"]) == ("list", "str")
    assert not [name for name in told if name.startswith("_VSCODE")]


def test_a_tables_shape_and_rows(client):
    asked(client, "import pandas as pd\nvsc_frame = pd.DataFrame({'a': range(3), 'b': [0.5, None, 2]})")
    info = json.loads(asked(client, FRAME.replace("%s", '"info", False, vsc_frame')).stdout)
    assert info["rowCount"] == 3 and [one["key"] for one in info["columns"]] == ["a", "b"]
    rows = json.loads(asked(client, FRAME.replace("%s", '"rows", False, vsc_frame, 0, 2')).stdout)
    assert [row["a"] for row in rows] == [0, 1]


def background(client, number, code):
    """Runs code in a thread, as the view of variables and completions do; gives the update's data once it comes."""
    run = asked(client, BACKGROUND % {"n": number, "code": code})
    shown, = run.of("display_data")
    assert shown.content["data"] == {"application/vnd.vscode.bg.execution.%d" % number: ""}
    name = shown.content["transient"]["display_id"]
    update = client.first(run.id, "update_display_data", timeout=30)
    assert update.content["transient"]["display_id"] == name
    return update.content["data"]


def test_variables_told_by_a_thread_through_an_updated_display(client):
    asked(client, "vsc_number = 7")
    code = "import json\n        names = %who_ls\n        return json.dumps([{'name': one} for one in names])"
    told = background(client, 0, code)
    (kind, text), = told.items()
    assert kind == "application/vnd.vscode.bg.execution.0.result", told
    assert {"name": "vsc_number"} in json.loads(text)


def test_an_error_in_such_a_thread_is_told(client):
    (kind, text), = background(client, 12, "return 1 / 0").items()
    assert kind == "application/vnd.vscode.bg.execution.12.error" and "ZeroDivisionError" in text


def test_expressions_beside_a_cell(client):
    run = asked(client, "vsc_number = 7", user_expressions={"sum": "vsc_number * 6", "none": "vsc_no_such_name"})
    expressions = run.content["user_expressions"]
    assert expressions["sum"]["data"]["text/plain"] == "42"
    assert (expressions["none"]["status"], expressions["none"]["ename"]) == ("error", "NameError")


def test_a_cell_of_vscode_with_its_metadata(client):
    run = client.run("vsc_number = 1\nvsc_number", metadata={"cellId": "vscode-notebook-cell:/a/book.ipynb#W0sZmlsZQ=="})
    assert run.ok().result == "1"


def test_an_error_stops_none_of_the_requests_behind_it(client):
    failing = client.execute("1/0", **FIELDS)
    behind = client.execute("6 * 7", **FIELDS)
    assert client.finish(failing).status == "error"
    assert client.finish(behind).ok().result == "42"
