"""`python -m cellblock.sandboxed_kernel --connection-file FILE -- ARGV…`: a kernel in a sandbox, as if it ran here.

The sandbox has no network, so a program inside (INSIDE) starts the kernel, whose sockets are files of the sandbox (ZMQ's `ipc`), and
carries the bytes of each connection over its stdin and stdout, which are those of `cellblock exec`. This process listens in the
kernel's place. A frame is the connection's number, a kind, a length, and so many bytes.
"""
from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from typing import Any, Dict, List

from .program import find_program

HEAD = struct.Struct(">IBI")
OPEN, DATA, CLOSE, SIGNAL = range(4)
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
MOST_FRAME = 65536      # bytes; what is longer doesn't come from INSIDE
PARENT_SECONDS = 1.0     # between two looks whether who started this is still there
MOST_WAITING = 64 << 20  # bytes for a client that doesn't read; it is cut off then
MOST_OUTPUT = "4GiB"     # what the kernel may send in its life: the policy's limits.output, at its highest
INSIDE = r'''
import asyncio, os, signal, struct, subprocess, sys
HEAD = struct.Struct(">IBI")
OPEN, DATA, CLOSE, SIGNAL = range(4)

async def main(place, connection, sockets, argv):
    with open(place, "w") as file:
        file.write(connection)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", 0))
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(os.dup(1), "wb", 0))
    out = asyncio.StreamWriter(transport, protocol, None, loop)
    kernel = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True)
    writers = {}

    def tell(number, kind, data=b""):
        out.write(HEAD.pack(number, kind, len(data)) + data)

    async def carry(number, port, waiting):
        try:
            source, writers[number] = await asyncio.open_unix_connection("%s-%d" % (sockets, port))
            for data in waiting:
                writers[number].write(data)
            while data := await source.read(65536):
                tell(number, DATA, data)
                await out.drain()
        except OSError:
            pass
        finally:
            writer = writers.pop(number, None)
            if writer is not None:
                writer.close()
            tell(number, CLOSE)

    async def obey():
        opening, tasks = {}, set()
        try:
            while True:
                number, kind, size = HEAD.unpack(await reader.readexactly(HEAD.size))
                data = await reader.readexactly(size)
                if kind == OPEN:
                    opening[number] = []
                    task = asyncio.ensure_future(carry(number, int(data), opening[number]))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                elif kind == DATA:
                    if number in writers:
                        writers[number].write(data)
                        await writers[number].drain()
                    elif number in opening:
                        opening[number].append(data)
                elif kind == CLOSE:
                    opening.pop(number, None)
                    writer = writers.get(number)
                    if writer is not None:
                        writer.close()
                elif kind == SIGNAL:
                    os.killpg(kernel.pid, int(data))
        except (asyncio.IncompleteReadError, OSError):
            pass

    obeying = asyncio.ensure_future(obey())
    while kernel.poll() is None and not obeying.done():
        await asyncio.wait([obeying], timeout=0.2)
    if kernel.poll() is None:
        os.killpg(kernel.pid, signal.SIGKILL)
    code = kernel.wait()
    sys.stderr.flush()
    os._exit(code if code >= 0 else 128 - code)

signal.signal(signal.SIGINT, lambda *_: None)
asyncio.run(main(*sys.argv[1:4], sys.argv[4:]))
'''
CONNECTION_INSIDE, SOCKETS_INSIDE = "/tmp/kernel-connection.json", "/tmp/kernel-socket"


def policy_of(program: str, name: str) -> Dict[str, Any]:
    """The policy's document, with what a kernel needs that cells don't."""
    done = subprocess.run([program, "policy", "show", name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    policy: Dict[str, Any] = json.loads(done.stdout)
    policy["limits"]["output"] = MOST_OUTPUT
    return policy


def without_dots(program: str) -> str:
    """The program's path as the sandbox has it: not through folders that `..` leaves again. The file itself may be a link."""
    folder, name = os.path.split(program)
    return os.path.join(os.path.realpath(folder), name) if {"..", "."} & set(folder.split(os.sep)) else program


def exec_arguments(program: str, policy: str, argv: List[str], names: List[str]) -> List[str]:
    """A Python's kernel runs in that Python; others must be among what the policy shows."""
    python = shutil.which(argv[0]) if os.path.basename(argv[0]).startswith("python") else None
    words = [program, "exec", "--policy", policy, "--timeout", "0"]
    words += ["--python", python] if python else []
    for name in names:
        words += ["--env", name]
    return words


def die_with_parent() -> None:
    """In the process of `cellblock exec`: whatever the sandbox does, it doesn't outlive this one."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


class Carrier:
    """Listens in the kernel's place, and carries what comes to the program inside and back."""

    def __init__(self, connection: Dict[str, Any]) -> None:
        self._connection = connection
        self._writers: Dict[int, asyncio.StreamWriter] = {}
        self._last = 0
        self._out: asyncio.StreamWriter

    def _tell(self, number: int, kind: int, data: bytes = b"") -> None:
        self._out.write(HEAD.pack(number, kind, len(data)) + data)

    async def listen(self) -> None:
        for name in PORTS:
            port = self._connection[name]

            async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port) -> None:
                self._last += 1
                await self._carry(self._last, port, reader, writer)

            if self._connection["transport"] == "ipc":
                path = "%s-%d" % (self._connection["ip"], port)
                await asyncio.start_unix_server(come, path)
                os.chmod(path, 0o600)
            else:
                await asyncio.start_server(come, self._connection["ip"], port)

    async def _carry(self, number: int, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[number] = writer
        self._tell(number, OPEN, b"%d" % port)
        try:
            while data := await reader.read(65536):
                self._tell(number, DATA, data)
                await self._out.drain()
        except OSError:
            pass
        finally:
            self._tell(number, CLOSE)
            self._writers.pop(number, None)
            writer.close()

    async def serve(self, words: List[str]) -> int:
        # Before anybody can connect: what is lost of a connection's first bytes costs ZMQ half a minute.
        process = await asyncio.create_subprocess_exec(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                                                       preexec_fn=die_with_parent)
        assert process.stdin is not None and process.stdout is not None
        self._out = process.stdin
        await self.listen()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._tell, 0, SIGNAL, b"%d" % number)
        watching = asyncio.ensure_future(self._end_with_parent(process, os.getppid()))
        try:
            while True:
                number, kind, size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
                if size > MOST_FRAME:
                    process.kill()
                    raise SystemExit("the sandbox broke the protocol of its connections, and was ended")
                self._take(number, kind, await process.stdout.readexactly(size))
        except asyncio.IncompleteReadError:
            pass
        finally:
            watching.cancel()
        return await process.wait()

    @staticmethod
    async def _end_with_parent(process: asyncio.subprocess.Process, parent: int) -> None:
        """As kernels do where the server that started them is killed."""
        while os.getppid() == parent:
            await asyncio.sleep(PARENT_SECONDS)
        process.kill()

    def _take(self, number: int, kind: int, data: bytes) -> None:
        writer = self._writers.get(number)
        if writer is None or kind not in (DATA, CLOSE):
            return
        if kind == CLOSE or writer.transport.get_write_buffer_size() > MOST_WAITING:
            writer.transport.abort() if kind == DATA else writer.close()
            return
        writer.write(data)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m cellblock.sandboxed_kernel", description=__doc__.split("\n")[0])
    parser.add_argument("--connection-file", required=True)
    parser.add_argument("--policy", default=os.environ.get("CELLBLOCK_KERNEL_POLICY") or "notebook")
    parser.add_argument("--env", action="append", default=[], metavar="NAME", help="a variable of this environment for the kernel")
    parser.add_argument("argv", nargs="+")
    asked = parser.parse_args()
    with open(asked.connection_file) as file:
        connection = json.load(file)
    program = find_program(None)
    inside = json.dumps({**connection, "transport": "ipc", "ip": SOCKETS_INSIDE})
    argv = [CONNECTION_INSIDE if word == asked.connection_file else word.replace(asked.connection_file, CONNECTION_INSIDE)
            for word in asked.argv]
    argv[0] = without_dots(argv[0])
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="cellblock-policy-") as policy:
        json.dump(policy_of(program, asked.policy), policy)
        policy.flush()
        words = exec_arguments(program, policy.name, argv, asked.env)
        return asyncio.run(Carrier(connection).serve([*words, "--", "python", "-c", INSIDE, CONNECTION_INSIDE, inside, SOCKETS_INSIDE, *argv]))


if __name__ == "__main__":
    sys.exit(main())
