"""The worker's life: start, frames in, cells run, answers out.

All that can be made before there is a socket is made without one. A warm Python makes it before it forks; it waits in the
memory of each fork, whose worker makes it its own. The warden never touches it, so that each of its workers finds it new.
"""

import asyncio
import contextlib
import gc
import os
import sys
import traceback

from . import cells, contexts, first_pages, frames, imports, jsontext, program, proxies, shared_memory, startup, trust
from .debug_channel import DebugChannel
from .debugging import Debugging
from .frames import MAX_REPLY, FrameTooLarge
from .lines import Lines
from .memory import OUT_OF_MEMORY, Reserve
from .stdin import Stdin

FAILED = 69
COMMS = ("comm_open", "comm_msg", "comm_close")
MOST_FAILURES = 1000  # of the loop itself, for memory

_early = None


def make_early():
    global _early
    _early = Worker(Lines())


def settle_early(directory):
    """Once the variables are those that cells will find, who begin in that directory."""
    _early.settle(directory)


def take_early():
    """The one that was made early, once; or None."""
    global _early
    early, _early = _early, None
    return early


def main(fd, debugger_fd=None, announced=False):
    """`announced`: the host hears of the Python at once, as clients ask for its version while IPython is imported."""
    debug_channel = None if debugger_fd is None else DebugChannel(debugger_fd)
    early = take_early()
    lines = early.lines if early else Lines()
    lines.open(fd)
    if announced:
        lines.channel.send({"type": "starting", "python": sys.version.split()[0]})
    try:
        startup.install_streams(lines)
        startup.be_a_program()
        worker = early or Worker(lines)
        worker.configure(debug_channel)
    except startup.CannotStart as reason:
        fail(lines.channel, str(reason))
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            fail(lines.channel, "the worker could not start: " + traceback.format_exc())
        fail(lines.channel, "Python itself needs one thread more than the policy's limits.processes allows. Raise that key")
    except BaseException:
        fail(lines.channel, "the worker could not start: " + traceback.format_exc())
    if not gc.isenabled():  # a cold start; a warm Python has done so before it forked
        gc.freeze()
        gc.enable()
    worker.run()


def fail(channel, message):
    channel.send({"type": "failed", "message": message[-2000:]})
    os._exit(FAILED)


class Worker:
    def __init__(self, lines):
        release = startup.find_ipython()
        from . import completion, history, parts
        self.lines = lines
        self._channel, self._pipes, self._interrupts = lines.channel, lines.pipes, lines.interrupts
        self._wakeup = self._debugging = self._program = None
        self._raised = None  # what the cell ended with
        self._ended = 0      # the last cell whose end was told
        self._facts = {}  # of the policy, once they are told
        self._questions = history.Questions(self._channel, self._facts)
        made = parts.Parts(lines, self._facts, self._questions)
        self._kernel, self._shell, self._comms = made.kernel, made.shell, made.comms
        self._contexts = contexts.Contexts(self._shell)
        self._queries = completion.Queries(self._shell, self._comms, self._interrupts)
        self._stdin = Stdin(self._channel, self._pipes)
        self._ready = {"type": "ready", "python": sys.version.split()[0], "ipython": release.version,
                       "banner": self._shell.banner[:2000]}

    # --- start

    def settle(self, directory):
        self._shell.be_here(directory)

    def configure(self, debug_channel):
        """By the host's first frame."""
        configure = self._first_frame()
        self._facts.update(configure.get("policy") or {})
        limit = self._facts.get("output_bytes")
        if isinstance(limit, int) and limit > 0:
            self._channel.output_bytes = limit
        shared_memory.install()
        self._reserve = self._channel.reserve = Reserve()
        self._shell.start(self._reserve)
        self._stdin.install()
        startup.call_at_exit(self._last_words)
        if self._facts.get("network", "none") != "none":
            proxies.install()
        self._preload(configure.get("preload") or [])
        if configure.get("imports") is not None:
            imports.ImportGate(configure["imports"]).install()
        if debug_channel:
            self._debugging = Debugging(debug_channel, self._shell, self._pipes, self._interrupts, self._between_cells)

    def _last_words(self):
        """C code calls exit() (OpenBLAS does, for one, if it can't have its threads). What it wrote before would be lost."""
        if self._channel.in_child or not self._pipes.is_free():
            return
        try:
            self._pipes.drain()
            hint = self._shell.hints.line_for_exit()
            if hint:
                self._channel.text(cells.latest(), "stderr", hint + "\n")
            self._channel.flush()
        except BaseException:
            pass

    def _first_frame(self):
        while not self._channel.inbox:
            self._channel.receive(None)
        header, _ = self._channel.inbox.popleft()
        if header["type"] != "configure":
            raise startup.CannotStart("the host's first frame was %r and not 'configure'" % header["type"])
        return header

    def _preload(self, names):
        for name in names:
            try:
                __import__(name)
            except BaseException as error:
                raise startup.CannotStart("the module %s of the policy's `preload` can't be imported by %s: %s: %s"
                                  % (name, sys.executable, type(error).__name__, error)) from None

    def _handle_forks(self):
        if self._debugging:
            os.register_at_fork(after_in_child=self._debugging.after_fork_in_child)
        for part in (self._channel, self._pipes):  # before_fork runs in the opposite order
            os.register_at_fork(before=part.before_fork, after_in_parent=part.after_fork_in_parent,
                                after_in_child=part.after_fork_in_child)
        os.register_at_fork(after_in_child=self._interrupts.in_child)

    # --- the loop

    def open_loop(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._stdin.replies.woken = lambda: loop.call_soon_threadsafe(self._wake)
        loop.add_reader(self._channel.fileno(), self._readable)
        self._loop = loop
        return loop

    def run(self):
        self._handle_forks()
        loop = self.open_loop()
        if self._debugging:
            self._debugging.listen()
        task = loop.create_task(self._serve())
        self._interrupts.main_task = task
        failures = 0
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit):
                pass  # of a task that a cell left behind; the loop goes on
            except MemoryError:
                if task.done():
                    os._exit(OUT_OF_MEMORY)
                failures += 1
                if failures > MOST_FAILURES:
                    os._exit(OUT_OF_MEMORY)
                self._reserve.open_up()  # until the next cell
            except RuntimeError:
                if loop.is_closed():
                    break  # a cell has closed the loop: this worker's end
        os._exit(FAILED)

    def _readable(self):
        with self._reserve:
            self._channel.receive(0)
            try:
                self._wake()
            except MemoryError:
                os._exit(OUT_OF_MEMORY)  # else the loop might never be woken

    def _wake(self):
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def _serve(self):
        self._interrupts.early = False
        self._channel.send(self._ready)
        first_pages.copy(self._channel.has_unread)
        inbox = self._channel.inbox
        while True:
            while not inbox:
                self._wakeup = self._loop.create_future()
                try:
                    await self._wakeup
                except asyncio.CancelledError:
                    pass  # a cell's code cancelled every task it found; this one goes on
                self._wakeup = None
            self._interrupts.taken = True
            header, buffers = inbox.popleft()
            await self.serve_one(header, buffers)

    async def serve_one(self, header, buffers):
        try:
            await self._serve_one(header, buffers)
        except MemoryError as error:  # outside of the cell's own code
            self._interrupts.end()
            self._reserve.insist(lambda: self._answer_without_memory(header, error))
            self._reserve.hold_back()
        else:
            if header["type"] == "execute":
                self._reserve.settle()
            else:
                self._reserve.hold_back()

    def _answer_without_memory(self, header, error):
        kind = header["type"]
        if kind == "execute" or kind in COMMS:
            if self._ended != header["cell"]:
                self._end(header, self._show(error))
        elif self._queries.knows(kind):
            self._channel.send({"type": "reply", "query": header["query"], "content": 0},
                               [jsontext.dump(self._queries.failure(error))])

    async def _serve_one(self, header, buffers):
        kind = header["type"]
        if kind == "execute":
            await self._execute(header)
        elif kind in COMMS:
            self._comm(kind, header, buffers)
        elif kind == "trust":
            trust.add(header["certificate"])
        elif kind == "inspection":
            self._inspect(header)
        elif self._queries.knows(kind):
            content = self._answer(header)
            text = jsontext.dump(content)
            if len(text) > MAX_REPLY:
                text = jsontext.dump(self._queries.failure(FrameTooLarge("an answer of more than 8 MiB")))
            self._channel.send({"type": "reply", "query": header["query"], "content": 0}, [text])
        else:
            self._interrupts.taken = False  # an input_reply that nobody waits for is stale

    def _answer(self, query):
        interrupts = self._interrupts
        try:
            try:
                interrupts.begin()
                return self._queries.answer(query)
            finally:
                interrupts.end()
        except BaseException as error:  # an interrupt before or after the query's own code
            interrupts.end()
            return self._queries.failure(error)

    # --- for the debugger's thread

    def _between_cells(self, compute, answered):
        """Calls compute() on the main thread, then answered(its result), or answered(None) where it was interrupted."""
        def put():
            self._channel.inbox.append(({"type": "inspection", "compute": compute, "answered": answered}, ()))
            self._wake()
        self._loop.call_soon_threadsafe(put)

    def _inspect(self, header):
        interrupts, answer = self._interrupts, None
        interrupts.install()
        try:
            try:
                interrupts.begin()
                answer = header["compute"]()
            finally:
                interrupts.end()
        except BaseException:
            interrupts.end()
        if self._channel.in_child:
            os._exit(0)
        header["answered"](answer)

    # --- a cell

    def _begin(self, header, kind):
        self._pipes.drain()
        cells.begin(header["cell"])
        self._kernel.begin_request(header["cell"], header.get("parent", ""), kind)
        self._questions.begin_cell()
        self._interrupts.install()

    def _end(self, header, error, expressions=b"{}", payload=b"[]"):
        if self._channel.in_child:
            self._end_child(error)
        self._questions.end_cell()
        self._pipes.check_descriptors()
        self._pipes.drain()
        done = {"type": "done", "cell": header["cell"], "status": "error" if error else "ok", "error": error,
                "user_expressions": 0, "payload": 1}
        encoded = frames.encode(done, [expressions if len(expressions) <= MAX_REPLY else b"{}",
                                       payload if len(payload) <= MAX_REPLY else b"[]"])
        self._reserve.insist(lambda: self._send_end(header["cell"], encoded))
        if self._kernel.is_leaving:
            os._exit(0)

    def _send_end(self, cell, encoded):
        if self._ended != cell:
            self._channel.queue(encoded)
            self._ended = cell
        self._channel.flush()

    def _end_child(self, error):
        """A child that a cell forked has come to the cell's end, as a program comes to its own."""
        raised, status = self._raised, 1 if error else 0
        if isinstance(raised, SystemExit):
            status = program.exit_status(raised)
        elif raised is not None:
            traceback.print_exception(type(raised), raised, self._shell.users_part(raised.__traceback__))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)

    async def _execute(self, header):
        self._begin(header, "execute_request")
        self._stdin.begin_cell(bool(header.get("allow_stdin")))
        self._shell.begin(header.get("count", 1), bool(header.get("silent")))
        error, expressions, payload = None, b"{}", b"[]"
        self._raised = None
        try:
            try:
                self._reserve.hold_back()
                if self._debugging:
                    self._debugging.begin_cell()
                self._interrupts.begin()
                with self._contexts.entered(header):
                    error = await self._run_cell(header)
                    if error is None:
                        expressions = self._expressions(header.get("user_expressions"))
            finally:
                self._interrupts.end()
                self._reserve.give_room()
        except BaseException as edge:  # an interrupt between IPython's own steps, say
            self._interrupts.end()
            error = self._show(edge)
        try:
            payload = self._payload()
        except (TypeError, ValueError):
            pass
        if self._debugging:
            self._debugging.end_cell()
        self._end(header, error, expressions, payload)

    def _show(self, error):
        try:
            self._shell.showtraceback((type(error), error, error.__traceback__))
        except BaseException:
            pass
        return self._shell.error_of(error)

    async def _run_cell(self, header):
        shell = self._shell
        facts = program.facts_in(header)
        if facts and not self._program:
            self._program = program.Program(shell, facts)
        error = await self._run_code(header, facts)
        if facts and (error or facts.get("is_last")):
            self._program.leave()
        return error

    async def _run_code(self, header, facts):
        shell = self._shell
        code, silent = header["code"], bool(header.get("silent"))
        store = bool(header.get("store_history", True)) and not silent
        failure = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed, failure = code, sys.exc_info()
        cell_id = (header.get("metadata") or {}).get("cellId")
        coroutine = shell.run_cell_async(code, store_history=store, silent=silent, transformed_cell=transformed,
                                         preprocessing_exc_tuple=failure, cell_id=cell_id)
        awaits = not facts or shell.should_run_async(code, transformed_cell=transformed, preprocessing_exc_tuple=failure)
        try:
            with contextlib.nullcontext() if awaits else self._program.without_loop(self._loop):
                result = await self._interrupts.drive(coroutine)
        except BaseException as error:
            result = shell.result_of(error, code, store, silent, cell_id)
            raise
        finally:
            self._interrupts.running = True
            try:
                shell.events.trigger("post_execute")
            finally:
                if not silent:
                    shell.events.trigger("post_run_cell", result)
        self._raised = result.error_before_exec or result.error_in_exec
        if facts and isinstance(self._raised, SystemExit):
            return program.error_of(self._raised)
        if not result.success:
            return shell.error_of(result.error_before_exec or result.error_in_exec)
        return shell.error_of(None) if shell.result_failed else None

    def _expressions(self, expressions):
        if not expressions:
            return b"{}"
        values = self._shell.user_expressions(expressions)
        return jsontext.dump(values)

    def _payload(self):
        manager = self._shell.payload_manager
        payload = manager.read_payload()
        if not payload:
            return b"[]"
        manager.clear_payload()
        return jsontext.dump(payload)

    # --- a comm's message

    def _comm(self, kind, header, buffers):
        self._begin(header, kind)
        self._stdin.begin_cell(False)
        self._shell.begin(self._shell.execution_count, False)
        error = None
        try:
            try:
                self._interrupts.begin()
                getattr(self._comms, kind)(comm_message(kind, header, buffers))
            finally:
                self._interrupts.end()
        except BaseException as problem:
            self._interrupts.end()
            error = self._show(problem)
        self._end(header, error)


def comm_message(kind, header, buffers):
    """A Jupyter message, as comm callbacks get it."""
    import json
    content = {"comm_id": header["comm_id"], "data": json.loads(buffers[header["data"]])}
    if kind == "comm_open":
        content["target_name"] = header["target_name"]
    return {"header": {"msg_type": kind}, "msg_type": kind, "parent_header": {}, "content": content,
            "metadata": json.loads(buffers[header["metadata"]]), "buffers": [memoryview(b) for b in buffers[2:]]}
