"""A stand-in for Modal's service, made of the stubs in the published SDK: what one Sandbox needs, and no more.

    stand_in.py KEY_ID KEY_SECRET RECORD      says "listening on http://127.0.0.1:PORT" and serves until it is killed

Commands really run, in bubblewrap: each in namespaces of its own over the host's /usr, without a network where the request blocks
it. A sandbox ends as Modal's does: when its own command ends, by its timeout, or when it is terminated. Each request is a line of
RECORD: {"method": "SandboxCreateV2", "metadata": [names], "body": hex, "fields": {…}}; what ends adds {"ended": sandbox's id}.
Methods that aren't written here answer UNIMPLEMENTED. KEY_ID "refusing" refuses each new sandbox, for the errors' sake.
"""

import asyncio
import base64
import json
import os
import signal
import sys
import time
import uuid

import grpclib
import grpclib.events
import grpclib.server
from google.protobuf.json_format import MessageToDict
from modal_proto import api_grpc, api_pb2, task_command_router_grpc, task_command_router_pb2 as router_pb2

JAIL = ["/usr/bin/bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr",
        "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--ro-bind", "/etc", "/etc",
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/root", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin",
        "--setenv", "HOME", "/root", "--chdir", "/"]
PIECE = 1 << 16
RouterStatus, Results = router_pb2.TaskExecWaitResponse, api_pb2.GenericResult


class Command:
    """A command that runs in a sandbox."""

    def __init__(self, process):
        self.process = process
        self.taken = 0             # bytes of stdin
        self.given = {1: 0, 2: 0}  # bytes of stdout and stderr

    async def take(self, offset, data, end):
        if offset != self.taken:
            raise grpclib.GRPCError(grpclib.Status.OUT_OF_RANGE, "%d bytes came, not %d" % (self.taken, offset))
        self.taken += len(data)
        try:
            self.process.stdin.write(data)
            await self.process.stdin.drain()
        except ConnectionError:
            raise grpclib.GRPCError(grpclib.Status.FAILED_PRECONDITION, "the command has ended") from None
        if end:
            self.process.stdin.close()

    async def give(self, descriptor, offset):
        """The pieces of an output from that byte on."""
        if offset != self.given[descriptor]:
            raise grpclib.GRPCError(grpclib.Status.OUT_OF_RANGE, "%d bytes went, not %d" % (self.given[descriptor], offset))
        pipe = self.process.stdout if descriptor == 1 else self.process.stderr
        while piece := await pipe.read(PIECE):
            self.given[descriptor] += len(piece)
            yield piece

    def kill(self):
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)


class Sandbox:
    def __init__(self, request, ended):
        self.id = "sb-" + uuid.uuid4().hex  # longer than those of the service's first version
        self.task_id = "ta-%sV" % self.id[3:]
        self.definition, self.tags = request.definition, list(request.tags)
        self.created = time.time()
        self.commands = {}
        self.result = Results()
        self._ended = ended
        self._life = None

    async def begin(self):
        self.own = await self.start("own", self.definition.entrypoint_args)
        self._life = asyncio.create_task(self._live())

    async def start(self, name, argv):
        blocked = self.definition.network_access.network_access_type == api_pb2.NetworkAccess.BLOCKED
        process = await asyncio.create_subprocess_exec(
            *JAIL, *(["--unshare-net"] if blocked else []), "--", *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True)
        self.commands[name] = Command(process)
        return self.commands[name]

    async def _live(self):
        try:
            await asyncio.wait_for(self.own.process.wait(), self.definition.timeout_secs)
            self.end(Results.GENERIC_STATUS_SUCCESS)
        except asyncio.TimeoutError:
            self.end(Results.GENERIC_STATUS_TIMEOUT)

    def end(self, status):
        if not self.result.status:
            self.result.status = status
            for command in self.commands.values():
                command.kill()
            self._ended(self)


class Recorder:
    def __init__(self, path, key):
        self.file = open(path, "a", buffering=1)
        self.key = key
        self.methods = {}

    def write(self, **fields):
        self.file.write(json.dumps(fields) + "\n")

    def listen(self, server, tokens):
        """tokens: the names of the metadata that a request must have, with their values."""
        async def request(event):
            if any(event.metadata.get(name) != value for name, value in tokens.items()):
                raise grpclib.GRPCError(grpclib.Status.UNAUTHENTICATED, "Token validation failed: no such token")
            method, names = event.method_func, sorted(event.metadata)

            async def recorded(stream):
                receive = stream.recv_message

                async def recv_message():
                    message = await receive()
                    if message is not None:
                        self.write(method=event.method_name.rpartition("/")[2], metadata=names, body=message.SerializeToString().hex(),
                                   fields=MessageToDict(message, preserving_proto_field_name=True))
                    return message

                stream.recv_message = recv_message
                await method(stream)

            event.method_func = recorded

        grpclib.events.listen(server, grpclib.events.RecvRequest, request)


def unimplemented(base):
    """The service's base class, whose methods all answer that they are none."""
    async def refuse(self, stream):
        raise grpclib.GRPCError(grpclib.Status.UNIMPLEMENTED, "the stand-in has no such method")
    return type(base.__name__, (base,), dict.fromkeys(base.__abstractmethods__, refuse))


def unary(answer):
    """A method of one request and one answer."""
    async def method(self, stream):
        await stream.send_message(await answer(self, await stream.recv_message()))
    return method


def token(lifetime):
    """A JSON web token that nobody signed, as the SDK reads when it ends."""
    parts = ({"alg": "none"}, {"exp": int(time.time()) + lifetime})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + ".x"


class Service(unimplemented(api_grpc.ModalClientBase)):
    def __init__(self, recorder, sandboxes):
        self.recorder, self.sandboxes = recorder, sandboxes
        self.access = api_pb2.CommandRouterAccess(jwt=token(3600))  # its url is known when the router listens
        self.done = Results(status=Results.GENERIC_STATUS_SUCCESS)

    def sandbox(self, request):
        if request.sandbox_id not in self.sandboxes:
            raise grpclib.GRPCError(grpclib.Status.NOT_FOUND, "there is no such sandbox")
        return self.sandboxes[request.sandbox_id]

    @unary
    async def AuthTokenGet(self, request):
        return api_pb2.AuthTokenGetResponse(token=token(1200))

    @unary
    async def EnvironmentGetOrCreate(self, request):
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=api_pb2.EnvironmentMetadata(
            name="main", settings=api_pb2.EnvironmentSettings(image_builder_version="2025.06")))

    @unary
    async def AppGetOrCreate(self, request):
        if request.environment_name not in ("", "main", "lab"):
            raise grpclib.GRPCError(grpclib.Status.NOT_FOUND, "Environment '%s' not found\x1b[2J" % request.environment_name)
        return api_pb2.AppGetOrCreateResponse(app_id="ap-1")

    @unary
    async def ImageGetOrCreate(self, request):
        return api_pb2.ImageGetOrCreateResponse(image_id="im-1", result=self.done)

    @unary
    async def ImageFromId(self, request):
        return api_pb2.ImageFromIdResponse(image_id=request.image_id)

    @unary
    async def SandboxCreateV2(self, request):
        if self.recorder.key[0] == "refusing":
            raise grpclib.GRPCError(grpclib.Status.RESOURCE_EXHAUSTED, "workspace is over its limit\x1b[2J")
        made = Sandbox(request, lambda one: self.recorder.write(ended=one.id, status=Results.GenericStatus.Name(one.result.status)))
        self.sandboxes[made.id] = made
        await made.begin()
        return api_pb2.SandboxCreateV2Response(sandbox_id=made.id, task_id=made.task_id)

    @unary
    async def SandboxGetCommandRouterAccess(self, request):
        return api_pb2.SandboxGetCommandRouterAccessResponse(jwt=self.access.jwt, url=self.access.url)

    @unary
    async def SandboxTerminateV2(self, request):
        self.sandbox(request).end(Results.GENERIC_STATUS_TERMINATED)
        return api_pb2.SandboxTerminateResponse()

    @unary
    async def SandboxListV2(self, request):
        """The sandboxes that run, the newest first, two at a time."""
        wanted = {(tag.tag_name, tag.tag_value) for tag in request.tags}
        found = [one for one in self.sandboxes.values() if not one.result.status and wanted <= {(t.tag_name, t.tag_value) for t in one.tags}
                 and (not request.before_timestamp or one.created < request.before_timestamp)]
        found.sort(key=lambda one: -one.created)
        return api_pb2.SandboxListResponse(sandboxes=[
            api_pb2.SandboxInfo(id=one.id, created_at=one.created, app_id="ap-1", tags=one.tags) for one in found[:2]])

    @unary
    async def SandboxTagsGetV2(self, request):
        return api_pb2.SandboxTagsGetResponse(tags=self.sandbox(request).tags)

    @unary
    async def SandboxWaitV2(self, request):
        return api_pb2.SandboxWaitResponse(result=self.sandbox(request).result)


class Router(unimplemented(task_command_router_grpc.TaskCommandRouterBase)):
    def __init__(self, sandboxes):
        self.sandboxes = sandboxes

    def sandbox(self, request):
        for one in self.sandboxes.values():
            if one.task_id == request.task_id and not one.result.status:
                return one
        raise grpclib.GRPCError(grpclib.Status.FAILED_PRECONDITION, "the sandbox has ended")

    def command(self, request):
        """Its output can still be read when its sandbox has ended."""
        for one in self.sandboxes.values():
            if one.task_id == request.task_id and request.exec_id in one.commands:
                return one.commands[request.exec_id]
        raise grpclib.GRPCError(grpclib.Status.NOT_FOUND, "there is no such command")

    @unary
    async def SandboxStdinWriteV2(self, request):
        await self.sandbox(request).own.take(request.offset, request.data, request.eof)
        return router_pb2.SandboxStdinWriteV2Response()

    @unary
    async def TaskExecStart(self, request):
        await self.sandbox(request).start(request.exec_id, request.command_args)
        return router_pb2.TaskExecStartResponse()

    @unary
    async def TaskExecStdinWrite(self, request):
        await self.command(request).take(request.offset, request.data, request.eof)
        return router_pb2.TaskExecStdinWriteResponse()

    async def TaskExecStdioRead(self, stream):
        request = await stream.recv_message()
        is_output = request.file_descriptor == router_pb2.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT
        async for piece in self.command(request).give(1 if is_output else 2, request.offset):
            await stream.send_message(router_pb2.TaskExecStdioReadResponse(data=piece))

    @unary
    async def TaskExecWait(self, request):
        status = await self.command(request).process.wait()
        return RouterStatus(code=status) if status >= 0 else RouterStatus(signal=-status)


async def main(key_id, key_secret, record):
    sandboxes = {}
    recorder = Recorder(record, (key_id, key_secret))
    service = Service(recorder, sandboxes)
    ports = []
    for handler, tokens in ((Router(sandboxes), {"authorization": "Bearer " + service.access.jwt}),
                            (service, {"x-modal-token-id": key_id, "x-modal-token-secret": key_secret})):
        server = grpclib.server.Server([handler])
        recorder.listen(server, tokens)
        await server.start("127.0.0.1", 0)
        ports.append(server._server.sockets[0].getsockname()[1])
    service.access.url = "http://127.0.0.1:%d" % ports[0]
    print("listening on http://127.0.0.1:%d" % ports[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
