"""The debugger: a client's requests answered here or by debugpy's adapter, one thread for all of it.

Commands and their meaning are ipykernel's: beside the Debug Adapter Protocol's own there are dumpCell, debugInfo,
inspectVariables, richInspectVariables, copyToGlobals. No request waits for another: what the adapter is asked is answered when
its response comes. The host bounds the time.
"""

import ast
import contextlib
import json
import os
import select
import sys
import threading

from . import adapter, cells, jsontext
from .cell_files import CellFiles
from .compiler import SEED, SUFFIX, file_name
from .debug_channel import keep_from_debugger
from .debug_request import Failed, Request
from .inspection import RICH_EXPRESSION, Variables, is_shown, modules, rich
from .inspections import Inspections

SOURCE_BYTES = 4 << 20
OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LET_GO = b"cellblock: the debugger has ended, so the cell goes on without it\n"
RESUMING = ("continue", "next", "stepIn", "stepOut")


class Debugger:
    def __init__(self, channel, shell, interrupts, on_main):
        self._channel = channel
        self._shell = shell
        self._adapter = adapter.Adapter(self._on_event)
        self._files = CellFiles()
        self._variables = Variables()
        self._inspections = Inspections(lambda compute, answered: on_main(lambda: self._untraced(compute), answered))
        self._started = False
        self._traced = False         # does the main thread trace?
        self._breakpoints = {}       # by file, as debugpy has set them
        self._stopped = set()        # ids of threads
        self._letting_go = threading.Lock()
        self._interrupted = False    # a cell that was stopped
        self._removed = None         # (place, IPython's transform) while debugging
        self._breakpointhook = sys.breakpointhook
        interrupts.before_raise = self._let_go

    # --- the loop

    def run(self):
        while True:
            ready = self._wait()
            self._inspections.step()
            if self._channel.fileno() in ready:
                requests = self._channel.receive()
                if requests is None:
                    return
                for request in requests:
                    self._serve(*request)
            if self._adapter.connected and self._adapter.fileno() in ready and not self._adapter.receive():
                self._lost()

    def _wait(self):
        poller = select.poll()
        poller.register(self._channel.fileno(), select.POLLIN)
        if self._adapter.connected:
            poller.register(self._adapter.fileno(), select.POLLIN)
        return [fd for fd, _ in poller.poll(self._inspections.timeout())]

    def _serve(self, number, content, idle):
        message = {}
        try:
            message = json.loads(content)
            message.setdefault("arguments", {})
            handler = getattr(self, "_do_" + message["command"], None)
            if handler is None:
                handler = self._forward
            handler(Request(self._channel, number, message, idle))
        except OSError as error:
            Request(self._channel, number, message).fail("%s: %s" % (type(error).__name__, error))
        except Failed as reason:
            Request(self._channel, number, message).fail(str(reason))
        except Exception as error:
            Request(self._channel, number, message).fail("%s: %s" % (type(error).__name__, str(error)[:1000]))

    def _need_start(self):
        if not self._started:
            raise Failed("the debugger isn't running in this session; send initialize and attach first")

    def _forward(self, request, change=None):
        """To the adapter; `change` may mend the response's body."""
        self._need_start()
        if request.command in RESUMING:
            self._stopped.clear()

        def answered(response):
            if change is not None and response.get("success"):
                change(response.setdefault("body", {}))
            request.relay(response)
        self._adapter.request(request.command, request.arguments, answered)

    def _on_event(self, message):
        kind, body = message.get("event"), message.get("body") or {}
        if kind == "output":
            return  # a cell's output goes its own way
        if kind == "initialized":
            self._adapter.request("configurationDone", {}, lambda _: None)
        elif kind == "stopped":
            if body.get("allThreadsStopped"):
                return self._adapter.request("threads", {}, lambda response: self._all_stopped(message, response))
            self._stopped.add(body.get("threadId"))
        elif kind == "continued":
            if body.get("allThreadsContinued", True):
                self._stopped.clear()
            else:
                self._stopped.discard(body.get("threadId"))
        self._channel.event(jsontext.dump(message))

    def _all_stopped(self, message, threads):
        self._stopped.update(one.get("id") for one in (threads.get("body") or {}).get("threads", ()))
        self._channel.event(jsontext.dump(message))

    # --- begin and end

    def _do_initialize(self, request):
        if not self._started:
            self._adapter.connect()
            self._started = True
            self._shell.compile.file_name_of = self._files.name_of
            self._keep_empty_lines()
        self._forward(request)

    def _do_attach(self, request):
        request.arguments["connect"] = {"host": "127.0.0.1", "port": 0}
        request.arguments.pop("logToFile", None)
        rules = request.arguments.setdefault("rules", [])
        rules.append({"path": os.path.join(OURS, "**"), "include": False})
        self._forward(request)

    def _do_configurationDone(self, request):
        request.succeed()  # it was sent when the adapter asked for it

    def _do_disconnect(self, request):
        if not self._started:
            return request.succeed()
        # Without this the adapter would end the process that it debugs.
        self._adapter.request("disconnect", {"terminateDebuggee": False}, lambda _: self._disconnected(request))

    _do_terminate = _do_disconnect

    def _disconnected(self, request):
        self._stop()
        request.succeed()

    def _stop(self):
        self._adapter.disconnect()
        self._started = False
        self._breakpoints = {}
        self._stopped.clear()
        self._shell.compile.file_name_of = file_name
        sys.breakpointhook = self._breakpointhook
        if self._removed:
            self._shell.input_transformer_manager.cleanup_transforms.insert(*self._removed)
            self._removed = None

    def _tell_let_go(self):
        with self._letting_go:
            if self._stopped:
                self._stopped.clear()
                with contextlib.suppress(OSError):  # a cell may have closed its stderr
                    os.write(2, LET_GO)

    def _lost(self):
        self._tell_let_go()
        self._adapter.lost()
        self._stop()
        self._channel.event(b'{"type": "event", "event": "terminated", "seq": 0, "body": {}}')

    def _keep_empty_lines(self):
        """IPython drops those at a cell's top, and breakpoints would be lines off."""
        from IPython.core.inputtransformer2 import leading_empty_lines
        transforms = self._shell.input_transformer_manager.cleanup_transforms
        if leading_empty_lines in transforms:
            self._removed = (transforms.index(leading_empty_lines), leading_empty_lines)
            transforms.remove(leading_empty_lines)

    # --- on the main thread

    def begin_cell(self):
        if self._started and adapter.mark_running(threading.main_thread()) or self._interrupted:
            self._interrupted = False
            adapter.resume_all()
        if self._started or self._traced:
            self._traced = self._started
            adapter.trace_this_thread(self._started)

    def end_cell(self):
        """debugpy's own thread may have seen the adapter's end first; its cell goes on then, and may end, before _lost()."""
        if self._stopped and adapter.is_gone():
            self._tell_let_go()

    def _let_go(self):
        """An interrupt is about to be raised, in the midst of debugpy's own code if the cell is stopped.

        Python then ends the tracing of this thread; begin_cell() brings it back. What is evaluated for debugpy takes the
        interrupt in the cell's stead, so another one follows.
        """
        if not self._started:
            return
        if adapter.evaluates():
            cell = cells.latest()
            beside(adapter.interrupt_after_evaluation, lambda: cells.latest() == cell)
        elif adapter.mark_running(threading.main_thread()):
            self._interrupted = True
            beside(adapter.resume_all)  # the cell's other threads

    def _untraced(self, compute):
        """The user's code for an inspection isn't to stop at a breakpoint."""
        if not self._traced:
            return compute()
        try:
            adapter.trace_this_thread(False)
            return compute()
        finally:
            adapter.trace_this_thread(True)

    def leave_child_alone(self):
        if self._started:
            self._started = False
            adapter.stop_tracing()
            sys.breakpointhook = self._breakpointhook

    # --- sources and breakpoints

    def _do_dumpCell(self, request):
        self._need_start()
        request.succeed({"sourcePath": self._files.dump(request.arguments["code"])})

    def _do_setBreakpoints(self, request):
        path = (request.arguments.get("source") or {}).get("path")

        def remember(body):
            self._breakpoints[path] = [{"line": one["line"]} for one in body.get("breakpoints", ()) if "line" in one]
        self._forward(request, remember)

    def _do_source(self, request):
        self._need_start()
        path = (request.arguments.get("source") or {}).get("path") or ""
        if not os.path.isfile(path) or os.path.getsize(path) > SOURCE_BYTES:
            raise Failed("source unavailable")
        with open(path, encoding="utf-8", errors="replace") as file:
            request.succeed({"content": file.read()})

    def _do_debugInfo(self, request):
        request.succeed({
            "isStarted": self._started, "hashMethod": "Murmur2", "hashSeed": SEED, "tmpFilePrefix": self._files.prefix,
            "tmpFileSuffix": SUFFIX, "stoppedThreads": sorted(self._stopped), "richRendering": True,
            "exceptionPaths": ["Python Exceptions"], "copyToGlobals": True,
            "breakpoints": [{"source": path, "breakpoints": lines} for path, lines in self._breakpoints.items()]})

    def _do_modules(self, request):
        start = int(request.arguments.get("startModule") or 0)
        count = int(request.arguments.get("moduleCount") or len(sys.modules))
        self._inspections.run(request, lambda: modules(start, count))

    # --- what a stopped cell shows

    def _do_stackTrace(self, request):
        def cut(body):
            """Below the cell's first frame there are IPython's and ours."""
            frames = body.get("stackFrames", [])
            of_cells = [index for index, one in enumerate(frames)
                        if ((one.get("source") or {}).get("path") or "").startswith(self._files.prefix)]
            if of_cells:
                body["stackFrames"] = frames[:of_cells[-1] + 1]
                body["totalFrames"] = len(body["stackFrames"])
        self._forward(request, cut)

    def _do_variables(self, request):
        if not self._stopped:
            reference = request.arguments["variablesReference"]
            return self._inspections.run(request, lambda: {"variables": self._variables.children(reference)})

        def choose(body):
            body["variables"] = [one for one in body.get("variables", ()) if is_shown(one.get("name", ""))]
        return self._forward(request, choose)

    def _do_inspectVariables(self, request):
        self._inspections.run(request, lambda: {"variables": self._variables.inspect(self._shell.user_ns)})

    def _do_richInspectVariables(self, request):
        name = request.arguments.get("variableName")
        if not isinstance(name, str) or not name.isidentifier():
            return request.succeed({"data": {}, "metadata": {}})
        if not self._stopped:
            if name not in self._shell.user_ns:
                raise Failed("there is no variable %s" % name)
            return self._inspections.run(request, lambda: rich(self._shell.user_ns[name]))

        def answered(response):
            try:
                body = json.loads(ast.literal_eval(response["body"]["result"]))
            except (KeyError, TypeError, ValueError, SyntaxError):
                return request.fail(response.get("message") or "%s can't be shown" % name)
            return request.succeed(body)
        arguments = {"expression": RICH_EXPRESSION % name, "context": "clipboard",
                     "frameId": request.arguments.get("frameId")}
        return self._adapter.request("evaluate", arguments, answered)

    def _do_evaluate(self, request):
        if request.arguments.get("frameId") is not None:
            return self._forward(request)
        # debugpy would do this on the thread that reads all requests, and without the session's variables.
        expression = str(request.arguments.get("expression", ""))
        return self._inspections.run(request, lambda: self._variables.evaluate(expression, self._shell.user_ns))

    def _do_copyToGlobals(self, request):
        self._need_start()
        source, target = (request.arguments.get(key) for key in ("srcVariableName", "dstVariableName"))
        if not all(isinstance(name, str) and name.isidentifier() for name in (source, target)):
            raise Failed("srcVariableName and dstVariableName must be names of variables")
        arguments = {"expression": "globals()[%r]" % target, "value": source,
                     "frameId": request.arguments.get("srcFrameId")}
        self._adapter.request("setExpression", arguments, request.relay)


def beside(call, *arguments):
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    keep_from_debugger(thread)
    thread.start()
