"""A client that debugs: debug requests, their replies, events."""

import subprocess

import pytest

from support import kernels

CELL = "def add(a, b):\n    total = a + b\n    return total\n\nresult = add(20, 22)\nprint(result)"


def has_debugpy():
    return subprocess.run([kernels.PYTHON, "-c", "import debugpy"], capture_output=True, check=False).returncode == 0


needs_debugpy = pytest.mark.skipif(not has_debugpy(), reason="%s has no debugpy" % kernels.PYTHON)


class Debug:
    """A client that debugs."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.client = kernel.client
        self.seq = 0
        self.seen = len(self.client.log)

    def send(self, command, **arguments):
        self.seq += 1
        return self.client.send("control", "debug_request", {
            "type": "request", "seq": self.seq, "command": command, "arguments": arguments})

    def say(self, command, ok=True, timeout=60, **arguments):
        """The reply's body; with ok=False or None the whole reply."""
        run = self.client.finish(self.send(command, **arguments), timeout)
        assert run.states == ["busy", "idle"] and run.reply.type == "debug_reply" and run.reply.channel == "control"
        content = run.reply.content
        assert content["type"] == "response" and content["command"] == command and content["request_seq"] == self.seq
        if ok is None:
            return content
        assert content["success"] is ok, content
        return content.get("body", {}) if ok else content

    def attach(self):
        assert self.say("initialize", clientID="test", adapterID="", linesStartAt1=True, columnsStartAt1=True,
                        pathFormat="path", supportsVariableType=True)["supportsConfigurationDoneRequest"]
        self.say("attach")
        self.say("configurationDone")
        return self

    def breakpoints(self, code, *lines):
        path = self.say("dumpCell", code=code)["sourcePath"]
        body = self.say("setBreakpoints", source={"path": path}, breakpoints=[{"line": line} for line in lines],
                        sourceModified=False)
        assert [one["verified"] for one in body["breakpoints"]] == [True] * len(lines)
        return path

    def event(self, name, timeout=60):
        """The next event of that name."""
        def look():
            for index in range(self.seen, len(self.client.log)):
                one = self.client.log[index]
                if one.type == "debug_event" and one.content["event"] == name:
                    self.seen = index + 1
                    return one
            return None
        return self.client.wait(look, "event " + name, timeout)

    def stopped(self):
        body = self.event("stopped").content["body"]
        return body["threadId"], self.say("stackTrace", threadId=body["threadId"])["stackFrames"]

    def locals(self, frame):
        scope = self.say("scopes", frameId=frame["id"])["scopes"][0]
        return {one["name"]: one for one in self.say("variables", variablesReference=scope["variablesReference"])["variables"]}
