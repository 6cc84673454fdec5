"""Sessions by the names of llm-sandbox: a program written for it runs here with another import line.

`SandboxSession` runs each code as a program of its own, with its own process; files stay until the session is closed.
`InteractiveSandboxSession` keeps variables, as a notebook does. `ArtifactSandboxSession` also gathers the figures of its runs, and
those that are saved as files. All are a `Sandbox`, whose policy says what code may do: by default no network and no file of yours.
"""
from __future__ import annotations

import base64
import os
import posixpath
import re
import threading
import warnings
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from . import session_files
from .commands import CommandResult, Line
from .errors import SandboxError
from .files import Files
from .results import Output, Result
from .sandbox import PathText, Policy, Sandbox
from .session_types import (CommandEmptyError, CommandFailedError, ConsoleOutput, ExecutionResult, FileType, KernelType,
                            LanguageNotSupportedError, NotOpenSessionError, PlotOutput, SandboxTimeoutError, SecurityPattern,
                            SecurityPolicy, StreamCallback, size_of_png)

INSTALL_SECONDS = 3600.0
LONGEST_SECONDS = 240 * 3600.0  # what a policy's limits.cell_time_max may be
LARGEST_CODE = "8MiB"  # what a policy's limits.code may be
FIND_PACKAGES = """
import importlib.metadata, json
def is_there(name):
    try:
        return bool(importlib.metadata.version(name))
    except Exception:
        return False
print(json.dumps([one for one in %r if is_there(one)]))
"""
PROGRAM = {"cellblock_program": {"name": "main.py", "is_file": False, "arguments": [], "is_last": True}}
END_PYTHON = "import os; os._exit(0)"  # its sandbox starts the next one, and keeps its files
IMAGES = (("image/png", FileType.PNG), ("image/jpeg", FileType.JPEG), ("image/svg+xml", FileType.SVG), ("application/pdf", FileType.PDF))
ENDINGS = {".png": FileType.PNG, ".jpg": FileType.JPEG, ".jpeg": FileType.JPEG, ".svg": FileType.SVG, ".pdf": FileType.PDF}
MOST_SAVED = 100           # figures of a run that were saved as files
MOST_SAVED_BYTES = 64 << 20  # of them all; one that has more than is left is left out
MOST_PLOTS_BYTES = 256 << 20  # in base64, of all runs: the oldest go
UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
RANGE = r"(?:==|!=|~=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+"
PACKAGE = re.compile(r" *([A-Za-z0-9][A-Za-z0-9._-]*) *(\[[A-Za-z0-9._, -]*\])? *(%s(?: *, *%s)*)? *" % (RANGE, RANGE))
WITHOUT_EFFECT = "{} has no effect: cellblock has no containers of its own, and its policy's `engine` and `image` name others'"


class SandboxSession:
    """A sandbox in which each run() is a Python process of its own; files last from one to the next.

    `policy`, `python` and `program` are Sandbox's. Of llm-sandbox's arguments `libraries`, `workdir`, `security_policy`, the three
    timeouts (seconds; None: none) and, of `runtime_configs`, `mem_limit`, `cpu_count`, `cpu_quota` with `cpu_period`, `nano_cpus` and
    `pids_limit` mean what they mean there. `backend`, `image` and others that name containers have no effect, and a warning says so;
    `keep_template`, `commit_container`, `verbose` and `stream` are taken and need no effect.

        >>> from cellblock import SandboxSession
        >>> with SandboxSession(lang="python", keep_template=True) as session:
        ...     result = session.run("print(sum([1, 2, 3]) / 3)")
        ...     print(result.stdout, end="")
        2.0
    """

    _keeps_variables = False

    def __init__(self, backend: Any = None, image: Optional[str] = None, dockerfile: Optional[str] = None, lang: str = "python", *,
                 keep_template: bool = False, commit_container: bool = False, verbose: bool = False, stream: bool = False,
                 runtime_configs: Optional[Mapping[str, Any]] = None, workdir: Optional[str] = "/sandbox",
                 security_policy: Optional[SecurityPolicy] = None, container_id: Optional[str] = None,
                 default_timeout: Optional[float] = 60.0, execution_timeout: Optional[float] = None,
                 session_timeout: Optional[float] = None, skip_environment_setup: bool = False, encoding_errors: str = "replace",
                 libraries: Optional[Sequence[str]] = None, pool: Any = None, client: Any = None,
                 policy: Optional[Policy] = None, python: Optional[PathText] = None, program: Optional[PathText] = None,
                 cwd: Optional[PathText] = None, **others: Any) -> None:
        language = getattr(lang, "value", lang)
        if str(language).lower() != "python":
            raise LanguageNotSupportedError(str(language))
        given = {"backend": backend, "image": image, "dockerfile": dockerfile, "container_id": container_id, "client": client, **others}
        for name, value in given.items():
            if value is not None and str(getattr(value, "value", value)) != "cellblock":
                warnings.warn(WITHOUT_EFFECT.format(name), stacklevel=2)
        self._given_policy = policy
        self._options: Dict[str, Any] = {"python": python, "program": program, "cwd": cwd}
        self._limits = limits_of(runtime_configs or {})
        self._workdir = posixpath.normpath(workdir or "/sandbox")
        self._has_workdir = False  # that folder is there; else its files are in the sandbox's own working directory
        self._wanted = list(libraries or [])
        self._allowed = [allowed_package(one) for one in self._wanted]  # by the policy
        self._pool = pool
        self._box: Optional[Sandbox] = None
        self._timer: Optional[threading.Timer] = None
        self._outlived = False
        self._renewal: Optional[Callable[[], None]] = None  # waits for an old Python's end
        self.security_policy = security_policy
        self.config = SimpleNamespace(lang="python", workdir=self._workdir, default_timeout=default_timeout, verbose=verbose,
                                      execution_timeout=execution_timeout, session_timeout=session_timeout)

    # --- its life

    @property
    def is_open(self) -> bool:
        return self._box is not None

    @property
    def container(self) -> Optional[Sandbox]:
        """The Sandbox, while the session is open."""
        return self._box

    def open(self) -> None:
        """Starts the sandbox, and installs the session's `libraries`. Raises SandboxError where no sandbox can be had.

            >>> from cellblock import SandboxSession
            >>> session = SandboxSession()
            >>> session.open()
            >>> session.is_open, session.close(), session.is_open
            (True, None, False)
        """
        if self._box is not None:
            return
        wanted = [*self._wanted, *(self._pool.enter(self) if self._pool is not None else [])]
        try:
            self._allowed += [one for one in map(allowed_package, wanted) if one not in self._allowed]
            self._start()
            self.install(wanted)
        except BaseException:
            self.close()
            raise
        if self.config.session_timeout:
            self._timer = threading.Timer(self.config.session_timeout, self._end_of_time)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Ends the sandbox; its files are gone. A second time does nothing."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        box, self._box = self._box, None
        if box is not None:
            box.close()
        if self._pool is not None:
            self._pool.leave(self)

    def __enter__(self) -> "SandboxSession":
        self.open()
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _end_of_time(self) -> None:
        self._outlived = True
        self.close()

    def _opened(self) -> Sandbox:
        box = self._box
        if box is None:
            if self._outlived:
                raise SandboxTimeoutError("the session has lasted for its session_timeout of %g s" % self.config.session_timeout,
                                          self.config.session_timeout)
            raise NotOpenSessionError
        return box

    def _start(self) -> None:
        """A working directory of another name is an empty folder under that name; not every host and engine has such."""
        refused = ""
        for folder in (self._workdir_entry(), None):
            self._box = Sandbox(self._policy(folder), **self._options)
            self._has_workdir = folder is not None
            done = self._box.run(self._enter_workdir())
            if done.status == "ok":
                return
            self._box.close()
            self._box = None
            refused = refused or (done.error.value if done.error else done.status)
            if folder is None:
                break
        raise SandboxError(refused)

    def _owns_policy(self) -> bool:
        """The policy is made here; else it is named or a file."""
        return self._given_policy is None or isinstance(self._given_policy, Mapping)

    def _workdir_entry(self) -> Optional[Dict[str, str]]:
        policy = self._given_policy if isinstance(self._given_policy, Mapping) else {}
        if (self._workdir == "/work" or not self._owns_policy() or policy.get("engine", "native") != "native" or
                any(entry.get("sandbox") == self._workdir for entry in policy.get("files", []))):
            return None
        folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cellblock", "empty")
        try:
            os.makedirs(folder, 0o755, exist_ok=True)
        except OSError:
            return None
        return {"host": folder, "sandbox": self._workdir, "mode": "overlay"}

    def _policy(self, folder: Optional[Dict[str, str]]) -> Policy:
        """The given one, with what the other arguments ask for; one that is named or a file stays as it is."""
        given = self._given_policy
        if given is not None and not isinstance(given, Mapping):
            return given
        policy: Dict[str, Any] = dict(given or {})
        limits = {**self._limits, **policy.get("limits", {})}
        limits.setdefault("code", LARGEST_CODE)
        limits.setdefault("cell_time_max", "%dh" % (LONGEST_SECONDS / 3600))
        policy["limits"] = limits
        if folder is not None:
            policy["files"] = [*policy.get("files", []), folder]
        if self._allowed:
            packages = dict(policy.get("packages", {}))
            packages["allow"] = [*packages.get("allow", []), *self._allowed]
            policy["packages"] = packages
        if self._pool is not None:
            policy.setdefault("pool", self._pool.spares())
        return policy

    def _enter_workdir(self) -> str:
        """As code that leaves no name behind, as its Python runs the next code."""
        return "__import__('os').chdir(%r)" % self._workdir if self._has_workdir else ""

    def _renew(self) -> None:
        """The next code gets a Python of its own, which starts now, while the caller goes on."""
        box = self._box
        if box is not None and not self._keeps_variables:
            self._renewal = box._core.run_unseen(END_PYTHON)
            if self._has_workdir:
                box._core.run_unseen(self._enter_workdir())

    def _settled(self) -> Sandbox:
        """Once an old Python's end, which is the end of all its sandbox's processes, can't meet what is asked next."""
        box, renewal = self._opened(), self._renewal
        if renewal is not None:
            self._renewal = None
            renewal()
        return box

    def _files(self) -> Files:
        return self._settled().files

    # --- code

    def run(self, code: str, libraries: Optional[Sequence[str]] = None, timeout: Optional[float] = None,
            on_stdout: Optional[StreamCallback] = None, on_stderr: Optional[StreamCallback] = None) -> ExecutionResult:
        """Runs code as a program: exit code, stdout, stderr, and the figures that it shows.

        Raises SandboxTimeoutError at the time limit: `timeout`, else the session's `execution_timeout`, else its
        `default_timeout`. An exception is a traceback in `stderr` and exit code 1; what was killed has 128 and the signal's number.

            >>> from cellblock import SandboxSession
            >>> with SandboxSession() as session:
            ...     session.run("open('n.txt', 'w').write('7')").exit_code
            ...     result = session.run("import sys; print(open('n.txt').read()); sys.exit(3)")
            0
            >>> result.stdout, result.exit_code, result.plots
            ('7\\n', 3, [])
        """
        self._opened()
        self.install(libraries)
        try:
            done = self._execute(code, timeout, on_stdout, on_stderr)
            return self._result_of(done)
        finally:
            self._renew()

    def _limit(self, timeout: Optional[float]) -> Tuple[Optional[float], Optional[float]]:
        """The time limit, and what the kernel is asked for."""
        limit = timeout or self.config.execution_timeout or self.config.default_timeout
        return limit, min(limit, LONGEST_SECONDS) if limit else LONGEST_SECONDS if self._owns_policy() else None

    def _execute(self, code: str, timeout: Optional[float], on_stdout: Optional[StreamCallback],
                 on_stderr: Optional[StreamCallback]) -> Result:
        box = self._opened()
        limit, seconds = self._limit(timeout)
        done = box._core.run_cell(code, seconds, {"stdout": on_stdout, "stderr": on_stderr},
                                  None if self._keeps_variables else PROGRAM)
        if done.status == "timeout":
            raise SandboxTimeoutError(done.error.value if done.error else "the code was stopped at its time limit", limit)
        if done.status == "unavailable":
            raise SandboxError(done.error.value if done.error else "no sandbox can be had")
        return done

    def _result_of(self, done: Result) -> ExecutionResult:
        value = done.text + "\n" if self._keeps_variables and done.text is not None else ""
        return ExecutionResult(exit_code_of(done), error_text(done), done.stdout + value, self._plots_of(done))

    def _plots_of(self, done: Result) -> List[PlotOutput]:
        return [plot for plot in map(plot_of, done.results) if plot is not None]

    def execute_command(self, command: str, workdir: Optional[str] = None, on_stdout: Optional[StreamCallback] = None,
                        on_stderr: Optional[StreamCallback] = None) -> ConsoleOutput:
        """Runs a shell line in the sandbox, in `workdir`, by default the session's; also while code runs.

            >>> from cellblock import SandboxSession
            >>> with SandboxSession() as session:
            ...     session.execute_command("echo one | wc -l").stdout
            '1\\n'
        """
        if not command or not command.strip():
            raise CommandEmptyError
        self._opened()
        done = self._call(command, workdir, on_stdout=on_stdout, on_stderr=on_stderr)
        return ConsoleOutput(done.exit_code, done.stderr + (done.error or ""), done.stdout)

    def _call(self, command: Line, workdir: Optional[str] = None, *, timeout: Optional[float] = None,
              on_stdout: Optional[StreamCallback] = None, on_stderr: Optional[StreamCallback] = None) -> CommandResult:
        """Raises SandboxTimeoutError and SandboxError as run() does."""
        folder = self._inside(workdir) if workdir else self._workdir if self._has_workdir else None
        limit, seconds = self._limit(timeout)
        done = self._settled().commands.run(command, cwd=folder, timeout=seconds, on_stdout=on_stdout, on_stderr=on_stderr)
        if done.timed_out:
            raise SandboxTimeoutError("the command was stopped " + ("after %g s" % limit if limit else "at its time limit"), limit)
        return done

    def execute_commands(self, commands: Sequence[Union[str, Tuple[str, Optional[str]]]], workdir: Optional[str] = None,
                         on_stdout: Optional[StreamCallback] = None, on_stderr: Optional[StreamCallback] = None) -> ConsoleOutput:
        """One after another, until one fails: that one's output, or the last one's. An item may be (command, workdir).

            >>> from cellblock import SandboxSession
            >>> with SandboxSession() as session:
            ...     session.execute_commands(["echo one", "exit 2", "echo three"]).exit_code
            2
        """
        output = ConsoleOutput()
        for item in commands:
            command, folder = (item, workdir) if isinstance(item, str) else item
            output = self.execute_command(command, folder, on_stdout, on_stderr)
            if output.exit_code:
                break
        return output

    def is_safe(self, code: str) -> Tuple[bool, List[SecurityPattern]]:
        """What the session's `security_policy` says of a source; without one all is safe. run() doesn't ask.

            >>> from cellblock import SandboxSession, SecurityPattern, SecurityPolicy, SecurityIssueSeverity
            >>> looks = SecurityPolicy(SecurityIssueSeverity.HIGH, [SecurityPattern(r"os\\.system", "a shell", SecurityIssueSeverity.HIGH)])
            >>> SandboxSession(security_policy=looks).is_safe("import os; os.system('ls')")[0]
            False
        """
        return self.security_policy.judge(code) if self.security_policy is not None else (True, [])

    # --- packages

    def install(self, libraries: Optional[Sequence[str]] = None) -> None:
        """Sees to it that these packages ("numpy", "pandas>=2") can be imported.

        Those that the sandbox's Python has are there already; others are installed as `%pip install` does it, for this session. The
        sandbox then starts anew, with its files, where its policy didn't allow them so far. A policy that is named or a file
        isn't changed: its `packages.allow` decides. Raises CommandFailedError with the reason.
        """
        box = self._opened()
        names = [str(one) for one in libraries or []]
        for one in names:
            allowed_package(one)
        wanted = self._absent(box, names)
        if not wanted:
            return
        fresh = [one for one in map(allowed_package, wanted) if one not in self._allowed]
        if fresh and self._owns_policy():
            self._allowed += fresh
            self._start_anew()
        done = self._opened().run("%pip install " + " ".join('"%s"' % one for one in wanted), timeout=INSTALL_SECONDS if self._owns_policy() else None)
        self._renew()
        if done.status != "ok":
            raise CommandFailedError("pip install " + " ".join(wanted), 1, done.error.value if done.error else done.status)

    def _absent(self, box: Sandbox, libraries: Sequence[str]) -> List[str]:
        """Those with a version are always asked for: pip knows whether it is there."""
        plain = [one for one in libraries if re.fullmatch("[A-Za-z0-9._-]+", one)]
        if not libraries:
            return []
        found: Set[str] = set()
        if plain:
            done = box.run("exec(%r, {})" % (FIND_PACKAGES % plain))
            found = {one for one in plain if '"%s"' % one in done.stdout}
        return [one for one in libraries if one not in found]

    def _start_anew(self) -> None:
        old = self._opened()
        kept = [one for one in session_files.contents(self._files(), self._inside(".")) if one[0]]
        old.close()
        self._box = self._renewal = None
        self._start()
        files, place = self._files(), self._inside(".")
        for name, content in kept:
            if content is None:
                files.make(posixpath.join(place, name))
            else:
                files.write(posixpath.join(place, name), content)

    # --- files

    def _inside(self, path: str) -> str:
        """The path of a file inside, relative ones below the session's working directory."""
        if self._has_workdir:
            return posixpath.join(self._workdir, path)
        if path == self._workdir or path.startswith(self._workdir + "/"):
            return path[len(self._workdir):].lstrip("/") or "."
        return path

    def copy_to_runtime(self, src: str, dest: str) -> None:
        """A file or folder of the host's into the sandbox. Raises FileNotFoundError.

            >>> import pathlib, cellblock
            >>> _ = pathlib.Path("in.csv").write_text("a,b\\n1,2\\n")
            >>> with cellblock.SandboxSession() as session:
            ...     session.copy_to_runtime("in.csv", "/sandbox/data.csv")
            ...     print(session.run("print(open('/sandbox/data.csv').readline())").stdout.strip())
            a,b
        """
        session_files.put(self._files(), os.fspath(src), self._inside(dest))

    def copy_from_runtime(self, src: str, dest: str) -> None:
        """A file or folder of the sandbox's to the host, symbolic links left out. Raises FileNotFoundError.

            >>> import cellblock
            >>> with cellblock.SandboxSession() as session:
            ...     result = session.run("open('out.txt', 'w').write('done')")
            ...     session.copy_from_runtime("/sandbox/out.txt", "out.txt")
            >>> open("out.txt").read()
            'done'
        """
        session_files.fetch(self._files(), self._inside(src), os.fspath(dest))

    def get_archive(self, path: str) -> Tuple[bytes, Dict[str, Any]]:
        """The same as a tar file's bytes, with its name and size."""
        return session_files.archive(self._files(), self._inside(path))


create_session = SandboxSession


class ArtifactSandboxSession(SandboxSession):
    """A SandboxSession whose results hold the figures of all runs so far, until clear_plots(): those that code shows, and those
    that it saves as files in the working directory.

        >>> from cellblock import ArtifactSandboxSession
        >>> with ArtifactSandboxSession() as session:
        ...     result = session.run("import matplotlib.pyplot as plt\\nplt.plot([1, 2, 3], [2, 4, 6]); plt.show()")
        >>> [(plot.format.value, plot.content_base64[:8]) for plot in result.plots]
        [('png', 'iVBORw0K')]
    """

    def __init__(self, *arguments: Any, enable_plotting: bool = True, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._enabled = enable_plotting
        self._plots: List[PlotOutput] = []
        self._before: Dict[str, Tuple[int, Any]] = {}

    def run(self, code: str, libraries: Optional[Sequence[str]] = None, timeout: Optional[float] = None,  # type: ignore[override]
            clear_plots: bool = False, on_stdout: Optional[StreamCallback] = None,
            on_stderr: Optional[StreamCallback] = None) -> ExecutionResult:
        """SandboxSession's; `clear_plots` forgets the figures of earlier runs first."""
        if clear_plots:
            self.clear_plots()
        self._opened()
        self.install(libraries)
        self._before = self._saved() if self._enabled else {}
        return super().run(code, None, timeout, on_stdout, on_stderr)

    def clear_plots(self) -> None:
        self._plots = []

    def _plots_of(self, done: Result) -> List[PlotOutput]:
        if not self._enabled:
            return []
        self._plots += super()._plots_of(done)
        new = [(name, stamp) for name, stamp in sorted(self._saved().items()) if self._before.get(name) != stamp]
        left = MOST_SAVED_BYTES
        for name, _ in new[:MOST_SAVED]:
            content = self._files().read(self._inside(name), most=left + 1)
            if len(content) <= left:
                left -= len(content)
                self._plots.append(make_plot(ENDINGS[posixpath.splitext(name)[1].lower()], content))
        while sum(len(plot.content_base64) for plot in self._plots) > MOST_PLOTS_BYTES:
            del self._plots[0]
        return list(self._plots)

    def _saved(self) -> Dict[str, Tuple[int, Any]]:
        entries = self._files().list(self._inside("."))
        return {entry.name: (entry.size, entry.modified) for entry in entries
                if entry.type == "file" and posixpath.splitext(entry.name)[1].lower() in ENDINGS}


class InteractiveSandboxSession(SandboxSession):
    """A session whose runs share variables, as a notebook's cells do; the value of the last line is part of `stdout`.

        >>> from cellblock import InteractiveSandboxSession
        >>> with InteractiveSandboxSession() as session:
        ...     result = session.run("x = 6")
        ...     print(session.run("x * 7").stdout, end="")
        42
    """

    _keeps_variables = True

    def __init__(self, *, backend: Any = None, lang: str = "python", kernel_type: Union[KernelType, str] = KernelType.IPYTHON,
                 max_memory: Optional[str] = "1GB", history_size: int = 1000, timeout: Optional[float] = 300.0,
                 runtime_configs: Optional[Mapping[str, Any]] = None, **named: Any) -> None:
        KernelType(kernel_type)  # raises ValueError
        if history_size < 0:
            raise ValueError("history_size must not be negative")
        configs = dict(runtime_configs or {})
        if max_memory:
            configs.setdefault("mem_limit", max_memory)
        named.setdefault("execution_timeout", timeout)
        super().__init__(backend, lang=lang, runtime_configs=configs, **named)


# --- values

def limits_of(configs: Mapping[str, Any]) -> Dict[str, Any]:
    """A policy's `limits` for docker's names of the same."""
    limits: Dict[str, Any] = {}
    rest = dict(configs)
    if (memory := rest.pop("mem_limit", None)) is not None:
        limits["memory"] = "%dKiB" % max(1, bytes_of(memory) >> 10)
    quota, period = rest.pop("cpu_quota", None), rest.pop("cpu_period", None) or 100_000
    nano = rest.pop("nano_cpus", None)
    cpus = rest.pop("cpu_count", None) or (nano and nano / 1e9) or (quota and quota > 0 and quota / period)
    if cpus:
        limits["cpus"] = float(cpus)
    if (processes := rest.pop("pids_limit", None)) is not None and processes > 0:
        limits["processes"] = int(processes)
    for name in ("network_disabled", "read_only", "cap_drop", "remove", "auto_remove", "detach", "user"):
        rest.pop(name, None)  # as it is here, or is no matter
    if rest.get("network_mode") == "none":
        del rest["network_mode"]
    for name in rest:
        warnings.warn(WITHOUT_EFFECT.format("runtime_configs[%r]" % name), stacklevel=4)
    return limits


def allowed_package(library: str) -> str:
    """A policy's `packages.allow` has no extras. Raises CommandFailedError."""
    found = PACKAGE.fullmatch(str(library))
    if found is None:
        raise CommandFailedError("pip install", 2, "%r is no package's name with version ranges, like \"pandas>=2,<3\"" % library)
    return found[1] + (found[3] or "").replace(" ", "")


def bytes_of(size: Union[int, str]) -> int:
    """"512m" and "1GB" as docker reads them: in powers of 1024."""
    if isinstance(size, int):
        return size
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?\s*", size.lower())
    if found is None:
        raise ValueError("mem_limit is %r, which is no size like \"512m\"" % size)
    return int(float(found[1]) * UNITS[found[2]])


def exit_code_of(done: Result) -> int:
    if done.status == "ok":
        return 0
    if done.status == "interrupted":
        return 130
    words = done.error.value if done.error else ""
    if done.error is not None and done.error.name == "SystemExit":
        return int(words) if re.fullmatch("[0-9]{1,3}", words) else 0 if words in ("", "None") else 1
    if done.status == "killed":
        told = re.search(r"\b(exit status|signal) (\d+)", words)
        return 137 if told is None else int(told[2]) + (128 if told[1] == "signal" else 0)
    return 1


def error_text(done: Result) -> str:
    """What a program's stderr would hold."""
    if done.error is None or done.error.name == "SystemExit":
        return done.stderr
    return done.stderr + (done.error.traceback or "%s: %s" % (done.error.name, done.error.value)) + "\n"


def plot_of(output: Output) -> Optional[PlotOutput]:
    for mime, kind in IMAGES:
        content = output.data.get(mime)
        if isinstance(content, str):
            return make_plot(kind, content.encode() if kind is FileType.SVG else base64.b64decode(content))
    return None


def make_plot(kind: FileType, content: bytes) -> PlotOutput:
    width, height, dpi = size_of_png(content) if kind is FileType.PNG else (None, None, None)
    return PlotOutput(kind, base64.b64encode(content).decode(), width, height, dpi)
