"""A client's side of the comm target `cellblock.commands` (kernel/clients.md)."""

import itertools
import types
import uuid


class Commands:
    """A comm of that target."""

    def __init__(self, client, channel="control"):
        self.client, self.channel, self.comm = client, channel, uuid.uuid4().hex
        self.numbers = itertools.count(1)
        run = client.finish(client.send(channel, "comm_open", {"comm_id": self.comm, "target_name": "cellblock.commands", "data": {}}),
                            reply=False)
        assert run.types == ["status", "status"], run

    def send(self, data, buffers=()):
        return self.client.send(self.channel, "comm_msg", {"comm_id": self.comm, "data": data}, buffers=buffers)

    def ask(self, data, buffers=()):
        """The answers to a request that ends at once."""
        run = self.client.finish(self.send(data, buffers), reply=False)
        assert run.states == ["busy", "idle"]
        return [one.content["data"] for one in run.of("comm_msg")]

    def begin(self, *argv, **members):
        """The request, and the command's id."""
        number = next(self.numbers)
        what = {} if "line" in members else {"argv": list(argv)}
        return self.send({"id": number, "do": "run", **what, **members}), number

    def end(self, begun, timeout=60):
        request, number = begun
        run = self.client.finish(request, reply=False, timeout=timeout)
        assert run.states == ["busy", "idle"]
        messages = run.of("comm_msg")
        assert all(one.content["data"]["id"] == number for one in messages)
        *events, last = messages
        streams = {name: b"".join(one.buffers[0] for one in events if one.content["data"]["event"] == name)
                   for name in ("stdout", "stderr")}
        return types.SimpleNamespace(**streams, **last.content["data"])

    def run(self, *argv, timeout_of_test=60, **members):
        return self.end(self.begin(*argv, **members), timeout_of_test)

    def close(self):
        self.client.finish(self.client.send(self.channel, "comm_close", {"comm_id": self.comm, "data": {}}), reply=False)
