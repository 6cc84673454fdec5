"""A client's side of the comm target `cellblock.files` (kernel/clients.md)."""

import uuid


class Files:
    """A comm of that target; each call is one request, on the shell or the control channel."""

    def __init__(self, client, channel="shell"):
        self.client, self.channel, self.comm, self.count = client, channel, uuid.uuid4().hex, 0
        run = client.finish(client.send(channel, "comm_open", {"comm_id": self.comm, "target_name": "cellblock.files", "data": {}}),
                            reply=False)
        assert run.types == ["status", "status"], run

    def raw(self, data, buffers=()):
        return self.client.finish(self.client.send(self.channel, "comm_msg", {"comm_id": self.comm, "data": data},
                                                   buffers=buffers), reply=False)

    def ask(self, do, *buffers, **members):
        self.count += 1
        run = self.raw({"id": self.count, "do": do, **members}, buffers)
        answer, = run.of("comm_msg")
        assert answer.content["comm_id"] == self.comm and answer.content["data"]["id"] == self.count
        assert run.states == ["busy", "idle"]
        return {**answer.content["data"], "bytes": answer.buffers[0] if answer.buffers else None}

    def ok(self, do, *buffers, **members):
        answer = self.ask(do, *buffers, **members)
        assert answer["status"] == "ok", answer
        return answer

    def error(self, do, *buffers, **members):
        answer = self.ask(do, *buffers, **members)
        assert answer["status"] == "error", answer
        return answer["ename"], answer["evalue"]

    def fill(self, path, piece):
        """Writes without end, so many bytes at a time. What ended it."""
        for place in range(0, 1 << 30, piece):
            answer = self.ask("write", bytes(piece), path=path, offset=place)
            if answer["status"] == "error":
                return answer["evalue"]
        raise AssertionError("a file of 1 GiB")
