"""IPython's shell for cells whose output goes through the channel.

Named as ipykernel's class is: libraries tell a notebook by that name.
"""

import functools
import os
import pathlib
import signal
import subprocess
import sys
import traceback

from IPython.core import page
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell
from IPython.core.profiledir import ProfileDir
from IPython.core.usage import default_banner
from IPython.utils.process import arg_split  # noqa: F401  (as ipykernel's module offers it)
from traitlets import Any, CBool, Instance, Type, default, observe
from traitlets.config import Config

from . import cells, figures, frames
from .compiler import Compiler
from .displays import Publisher, ResultHook
from .history import HostHistory
from .hooks import Hooks
from .magics import SandboxMagics, no_packages_text
from .transformers import Transformers

MAX_ERROR_TEXT = 64 * 1024
MAX_TRACEBACK = 512 * 1024
MAX_TRACEBACK_LINES = 1000
MAX_ERROR_BYTES = 900 * 1024  # in a header
SURELY_FITS = MAX_ERROR_BYTES // 6 - 1024 * 8  # characters, each written as \\u0000
OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
VARIABLES = {"TERM": "xterm-color", "CLICOLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "PAGER": "cat",
             "GIT_PAGER": "cat"}
OFFLINE = {"PIP_RETRIES": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # `!pip install` fails at once; a policy may differ
CHILD_SECONDS = 2.0  # for an interrupted child to end


class UnwrittenProfile(ProfileDir):
    """A profile that makes no directories: nothing of it is to be kept."""

    @observe("location")
    def _location_changed(self, change):
        pass

    def check_dirs(self, change=None):
        pass

    check_security_dir = check_log_dir = check_pid_dir = check_startup_dir = check_dirs


class LateDb:
    """What %store and the like keep: made when it is asked for, since it makes folders."""

    _db = None

    @property
    def db(self):
        if self._db is None:
            self._db = self._kind_of_db(os.path.join(self.profile_dir.location, "db"))
        return self._db

    @db.setter
    def db(self, made):
        self._kind_of_db = type(made)


HAS_LATE_DB = "db" in vars(InteractiveShell)  # newer IPythons'


class ZMQInteractiveShell(*(() if HAS_LATE_DB else (LateDb,)), InteractiveShell):
    displayhook_class = Type(ResultHook)
    display_pub_class = Type(Publisher)
    compiler_class = Type(Compiler)
    kernel = Any()
    channel = pipes = hints = packages = reserve = questions = None
    policy_facts = {}
    readline_use = CBool(False)
    autoindent = CBool(False)
    exiter = Instance(ZMQExitAutocall)
    keepkernel_on_exit = None
    is_program = False  # its cells are those of `cellblock run FILE`
    result_failed = False
    silent = False
    _last_traceback = None
    _last_error = None

    @default("banner1")
    def _default_banner1(self):
        return default_banner

    @default("input_transformer_manager")
    def _default_transformers(self):
        return Transformers()

    @default("exiter")
    def _default_exiter(self):
        return ZMQExitAutocall(self)

    # --- construction

    def init_profile_dir(self, profile_dir):
        place = os.path.join(self.ipython_dir, "profile_default")
        self.profile_dir = profile_dir or UnwrittenProfile(location=place)

    def init_environment(self):
        # Colours where programs ask for the terminal; no pager that waits for a key.
        for name, value in VARIABLES.items():  # update() looks at each kind of mapping there is
            os.environ[name] = value
        os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else debugpy warns of frozen modules, in four lines
        for name, value in OFFLINE.items():
            os.environ.setdefault(name, value)

    def init_events(self):
        super().init_events()
        hooks = Hooks(self, {})
        hooks.callbacks = self.events.callbacks
        self.events = hooks

    def init_hooks(self):
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(self._page), 99)

    def init_display_formatter(self):
        super().init_display_formatter()
        figures.draw_charts(self.display_formatter.mimebundle_formatter)
        figures.print_fast(self.display_formatter.formatters["image/png"])

    def init_history(self):
        self.history_manager = HostHistory(shell=self, parent=self, questions=self.questions)
        self.configurables.append(self.history_manager)

    def init_magics(self):
        super().init_magics()
        self.register_magics(SandboxMagics)

    def init_extension_manager(self):
        super().init_extension_manager()
        self.extension_manager.load_extension("storemagic")  # %store, as every IPython has it

    def init_virtualenv(self):
        pass  # the policy has chosen the Python

    def init_io(self):
        pass

    def init_traceback_handlers(self, custom_exceptions):
        super().init_traceback_handlers(custom_exceptions)
        self.InteractiveTB.get_records = functools.partial(_records, self.InteractiveTB.get_records)

    # --- a session's

    def attach(self, channel, pipes, facts, questions):
        self.channel, self.pipes = channel, pipes
        self.policy_facts = facts
        self.questions = self.history_manager.questions = questions

    def start(self, reserve):
        """In the process that will run the cells."""
        self.reserve = reserve
        for kind in (Publisher, ResultHook):
            kind.channel, kind.pipes = self.channel, self.pipes
        self.init_environment()
        self.be_here(os.getcwd())
        self.packages.show()

    def be_here(self, directory):
        """What IPython noted of the process that made it: that may have been a warm Python, outside of this sandbox."""
        self.init_encoding()
        files = _directory()
        if self.ipython_dir != files:
            self.ipython_dir = files
            self.profile_dir.location = os.path.join(files, "profile_default")
            vars(self).pop("_db", None)
            self.history_manager.hist_file = self.history_manager._get_hist_file_name()
        if self.starting_dir != directory:
            self.starting_dir = directory
            self.init_pushd_popd_magic()
            self.logger.home_dir = self.home_dir
            self.history_manager.dir_hist[:] = [pathlib.Path(directory)]
        self._orig_sys_module_state.update(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)

    # --- the request at hand, as programs know it from ipykernel

    @property
    def parent_header(self):
        return self.kernel.get_parent()

    @parent_header.setter
    def parent_header(self, parent):
        self.set_parent(parent)

    def get_parent(self):
        return self.kernel.get_parent()

    def set_parent(self, parent):
        self.kernel.set_parent(None, parent)

    set_thread_parent = set_parent

    # --- what a cell may ask for

    def enable_gui(self, gui=None):
        if gui not in (None, "inline", "none", "asyncio"):
            raise UsageError("windows can't be opened from a sandbox, so %r has no event loop here" % gui)

    def enable_matplotlib(self, gui=None):
        found = super().enable_matplotlib(gui)
        figures.complete_inline(self)
        return found

    def ask_exit(self):
        self.exit_now = False
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": self.keepkernel_on_exit})

    def set_next_input(self, text, replace=False):
        self.payload_manager.write_payload({"source": "set_next_input", "text": text, "replace": replace})

    def _page(self, text, start=0, screen_lines=0, pager_cmd=None):
        data = text if isinstance(text, dict) else {"text/plain": text}
        self.payload_manager.write_payload({"source": "page", "data": data, "start": max(0, start)})

    # --- programs: they inherit descriptors 1 and 2, which are pipes to us

    def system_piped(self, cmd):
        command = self.var_expand(cmd, depth=1)
        self.user_ns["_exit_code"] = self._run(command)
        words = command.split()
        if self.user_ns["_exit_code"] and {"pip", "pip3"} & set(words[:3]) and "install" in words:
            print("cellblock: " + no_packages_text(self.policy_facts, "!" + command), file=sys.stderr)
        elif self.user_ns["_exit_code"] and self.hints:
            self._hint_about(command)

    def _hint_about(self, command):
        line = self.hints.line_for_program(command, self.user_ns["_exit_code"])
        if line:
            print(line, file=sys.stderr)

    system = system_raw = system_piped

    def _run(self, command):
        sys.stdout.flush()
        child = subprocess.Popen(command, shell=True, executable=_shell_program(), stdin=subprocess.DEVNULL)
        try:
            code = child.wait()
        except KeyboardInterrupt:
            # The interrupt went to the whole process group, so to the child too.
            _end(child)
            raise
        finally:
            self.pipes.drain()
        return code

    def getoutput(self, cmd, split=True, depth=0):
        from IPython.utils.text import LSString, SList
        command = self.var_expand(cmd, depth=depth + 1)
        done = subprocess.run(command, shell=True, executable=_shell_program(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode("utf-8", "replace")
        return SList(text.splitlines()) if split else LSString(text)

    # --- errors

    def _showtraceback(self, etype, evalue, stb):
        lines = _bounded(stb)
        hint = self._hint(evalue)
        if hint:
            lines.append(hint)
        self._last_traceback = lines
        self._last_error = _fitting({"ename": str(etype.__name__)[:200], "evalue": _text_of(evalue), "traceback": lines})
        if not self.silent:
            self.pipes.drain()
            self.channel.send({"type": "error", "cell": cells.current(), **self._last_error})

    def _hint(self, evalue):
        try:
            return self.hints.line(evalue) if self.hints else None
        except Exception:
            return None  # a hint is an extra: an odd exception object may break it

    def showtraceback(self, exc_tuple=None, *args, **kwargs):
        if not self.reserve:
            return self._show_whole(exc_tuple, *args, **kwargs)
        self.reserve.release()
        before = self._last_error
        try:
            self._show_whole(exc_tuple, *args, **kwargs)
            if self._last_error is before and issubclass(self._get_exc_info(exc_tuple)[0], MemoryError):
                raise MemoryError  # IPython gave up
        except MemoryError:
            self.reserve.insist(lambda: self._show_briefly(exc_tuple))

    def _show_briefly(self, exc_tuple):
        etype, value, _ = self._get_exc_info(exc_tuple)
        self._showtraceback(etype, value, ["%s: %s" % (etype.__name__, _text_of(value)),
                                           "cellblock: there is no memory left for a traceback"])

    def _show_whole(self, exc_tuple=None, *args, **kwargs):
        try:
            etype, value, trace = self._get_exc_info(exc_tuple)
        except ValueError:  # there is none; IPython says so
            return super().showtraceback(exc_tuple, *args, **kwargs)
        if self.is_program and issubclass(etype, SystemExit):
            return None
        if issubclass(etype, KeyboardInterrupt):
            trace = _users_part(trace)
            value.__traceback__ = trace
            exc_tuple = (etype, value, trace)
        if hasattr(value, "exceptions") and hasattr(value, "derive"):
            # IPython prints a group of exceptions to stderr; here it is an error like any other.
            text = "".join(traceback.format_exception(etype, value, _after_shell(trace)))
            self._showtraceback(etype, value, text.rstrip("\n").split("\n"))
            return None
        return super().showtraceback(exc_tuple, *args, **kwargs)

    @staticmethod
    def users_part(trace):
        return _after_shell(trace)

    def _format_exception_for_storage(self, exception, *_, **__):
        """What IPython 9 keeps of an error, for %notebook. Its own would make the traceback anew, and raise where an
        exception's text can't be made."""
        return dict(self.error_of(exception))

    def show_usage_error(self, exc):
        self._showtraceback(type(exc), exc, ["UsageError: %s" % exc])

    # --- one cell

    def begin(self, count, silent):
        self.silent = silent
        self.execution_count = count
        self.result_failed = False
        self._last_traceback = None
        self._last_error = None
        for history in (self.history_manager.input_hist_parsed, self.history_manager.input_hist_raw):
            if len(history) < count:  # In[n] is cell n, also when this worker began later
                history.extend([""] * (count - len(history)))

    def result_of(self, error, code, store_history, silent, cell_id):
        """The result, for post_run_cell, of a cell that an exception ended between IPython's own steps."""
        result = ExecutionResult(ExecutionInfo(code, store_history, silent, True, cell_id))
        result.error_in_exec = error
        return result

    def error_of(self, error):
        """The reply's error for an exception that a cell ended with."""
        shown = self._last_error
        if shown is not None:
            return shown
        return {"ename": type(error).__name__, "evalue": _text_of(error), "traceback": []}


def make_shell(kernel):
    """One that is attached to nothing yet."""
    config = Config()
    config.HistoryManager.enabled = False
    config.IPKernelApp.kernel_name = "cellblock"  # libraries tell a notebook by this section
    shell = ZMQInteractiveShell.instance(config=config, kernel=kernel, ipython_dir=_directory())
    kernel.shell = shell
    return shell


def _directory():
    return os.path.join(os.environ.get("TMPDIR", "/tmp"), ".ipython")


def _shell_program():
    for program in (os.environ.get("SHELL", ""), "/bin/bash"):  # bash is what people write `!` for
        if os.access(program, os.X_OK):
            return program
    return "/bin/sh"


def _end(child):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            child.wait(CHILD_SECONDS if number == signal.SIGTERM else 0.1)
            return
        except subprocess.TimeoutExpired:
            child.send_signal(number)


def _records(get_records, trace, context, offset):
    """What a traceback shows, of which the first frames are left out before IPython studies them: it would read and parse
    the whole of its own source, which costs more than all the rest of a cell's error."""
    while offset and trace is not None and trace.tb_next is not None:
        trace, offset = trace.tb_next, offset - 1
    return get_records(trace, context, offset)


def _after_shell(trace):
    """A traceback without IPython's own first frames."""
    first = trace
    while first is not None and "IPython" in first.tb_frame.f_code.co_filename:
        first = first.tb_next
    return first or trace


def _users_part(trace):
    """An interrupt's traceback up to where the cell called us, or our signal handler ran: what follows is nothing of
    the user's."""
    begun = False
    one = trace
    while one is not None and one.tb_next is not None:
        name = one.tb_frame.f_code.co_filename
        begun = begun or not (name.startswith(OURS) or "IPython" in name)
        if begun and one.tb_next.tb_frame.f_code.co_filename.startswith(OURS):
            one.tb_next = None
        one = one.tb_next
    return trace


def _text_of(error):
    try:
        text = str(error)
    except Exception:
        text = "<an exception whose text can't be made>"
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + " […]"


def _fitting(error):
    """An error that fits into a frame's header, whatever its characters are."""
    most = MAX_TRACEBACK
    while len(error["evalue"]) + sum(map(len, error["traceback"])) > SURELY_FITS and \
            frames.header_bytes(error) > MAX_ERROR_BYTES:
        most //= 2
        error = {"ename": error["ename"], "evalue": error["evalue"][:most // 4], "traceback": _bounded(error["traceback"], most)}
    return error


def _bounded(stb, most=MAX_TRACEBACK):
    longest = min(MAX_ERROR_TEXT, most // 4)
    lines = [line if len(line) <= longest else line[:longest] + " […]"
             for line in ([stb] if isinstance(stb, str) else map(str, stb))]
    if len(lines) > MAX_TRACEBACK_LINES:
        half = MAX_TRACEBACK_LINES // 2
        lines = lines[:half] + lines[-half:]
    while len(lines) > 2 and sum(map(len, lines)) > most:
        del lines[len(lines) // 2]  # the beginning says where it started, the end what it was
    return lines
