"""debugpy's adapter: started once, spoken to over the sandbox's loopback in the Debug Adapter Protocol.

debugpy listens in this process and starts the adapter as a child, which needs no ptrace. Everything here runs on the
debugger's thread.
"""

import json
import os
import signal
import socket
import sys
import threading
import time

HEADER_END = b"\r\n\r\n"
LOOK_SECONDS = 0.02
DISPOSE_SECONDS = 5
RUNNING = 1  # pydevd's STATE_RUN
NO_WARNING = "PYDEVD_DISABLE_FILE_VALIDATION"  # of frozen modules, on the cell's stderr


class Adapter:
    def __init__(self, event):
        self._event = event          # called with each event
        self._address = None
        self._socket = None
        self._received = b""
        self._sent = 0
        self._waiting = {}           # by sequence number: what is called with the response

    @property
    def connected(self):
        return self._socket is not None

    def fileno(self):
        return self._socket.fileno()

    def connect(self):
        if self._address is None:
            self._address = listen()
        self._socket = socket.create_connection(self._address, timeout=10)
        self._socket.setblocking(True)
        self._received = b""

    def disconnect(self, reason="the debugger has disconnected"):
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered({"success": False, "message": reason})

    def lost(self):
        """Its process has ended; debugpy then lets the cell go on. The next connect() starts another."""
        self._address = None
        self.disconnect("debugpy's adapter has ended")

    def request(self, command, arguments, answered):
        self._sent += 1
        self._waiting[self._sent] = answered
        message = {"type": "request", "seq": self._sent, "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d%s%s" % (len(body), HEADER_END, body))

    def receive(self):
        """Hands on what has come. False: the adapter is gone."""
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            return False
        self._received += data
        while self._socket is not None:
            head, found, rest = self._received.partition(HEADER_END)
            if not found:
                break
            length = int(head.lower().rpartition(b"content-length:")[2].split(b"\r\n")[0])
            if len(rest) < length:
                break
            self._received = rest[length:]
            self._hand_on(json.loads(rest[:length]))
        return True

    def _hand_on(self, message):
        if message.get("type") == "event":
            self._event(message)
        elif message.get("type") == "response":
            answered = self._waiting.pop(message.get("request_seq"), None)
            if answered is not None:
                answered(message)


def listen():
    """Lets debugpy listen; gives where."""
    kept = os.environ.get(NO_WARNING)
    os.environ[NO_WARNING] = "1"
    try:
        import debugpy
        debugpy.configure(subProcess=False)
        dispose()
        address = debugpy.listen(("127.0.0.1", 0))
    finally:
        if kept is None:
            del os.environ[NO_WARNING]
    trace_this_thread(False)
    return address


def dispose():
    """Of what was connected to an adapter that is gone; else the next one would wait for it in vain."""
    from _pydevd_bundle.pydevd_constants import get_global_debugger
    from debugpy.server import api
    api.listen.called = False  # newer ones refuse to listen twice
    debugger = get_global_debugger()
    if debugger is None:
        return
    debugger.dispose_and_kill_all_pydevd_threads()
    until = time.monotonic() + DISPOSE_SECONDS
    while get_global_debugger() is not None and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    for thread in threading.enumerate():
        mark_running(thread)


def is_gone():
    """Has debugpy seen that its connection with the adapter is closed? It lets stopped threads go on then."""
    from _pydevd_bundle.pydevd_constants import get_global_debugger
    debugger = get_global_debugger()
    return debugger is None or debugger.pydb_disposed


def trace_this_thread(wanted):
    import debugpy
    debugpy.trace_this_thread(wanted)


def mark_running(thread):
    """Undoes in a stopped thread's record that it is stopped. Safe in a signal's handler: no lock is taken."""
    info = getattr(thread, "additional_info", None)
    if info is None or info.pydev_state == RUNNING:
        return False
    info.pydev_original_step_cmd = info.pydev_step_cmd = -1
    info.pydev_step_stop = None
    info.pydev_state = RUNNING
    return True


def resume_all():
    from _pydevd_bundle.pydevd_api import PyDevdAPI
    PyDevdAPI().request_resume_thread("*")


def evaluates():
    """Does the main thread, stopped, do something that debugpy was asked for? It catches what is raised there."""
    frame = sys._current_frames().get(threading.main_thread().ident)
    while frame is not None:
        if frame.f_code.co_name == "do_it" and frame.f_code.co_filename.endswith("pydevd_comm.py"):
            return True
        frame = frame.f_back
    return False


def interrupt_after_evaluation(wanted):
    while evaluates():
        time.sleep(LOOK_SECONDS)
    if wanted():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def stop_tracing():
    """For a child process, which has none of the debugger's threads."""
    threading.settrace(None)
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        from pydevd_tracing import SetTrace
        SetTrace(None)
    elif monitoring.get_tool(monitoring.DEBUGGER_ID):
        monitoring.set_events(monitoring.DEBUGGER_ID, 0)
        monitoring.free_tool_id(monitoring.DEBUGGER_ID)
