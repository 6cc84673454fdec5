"""One request of a debugger's client, and its answer."""

from . import jsontext


class Failed(Exception):
    """The text goes to the client."""


# Where JupyterLab looks before it looks at `success`.
EMPTY_BODIES = {"setBreakpoints": {"breakpoints": []}, "inspectVariables": {"variables": []}, "variables": {"variables": []}}


class Request:
    """To be answered once."""

    def __init__(self, channel, number, message, idle=False):
        self._channel = channel
        self._number = number
        self._seq = message.get("seq", 0) if isinstance(message, dict) else 0
        self.command = message.get("command", "") if isinstance(message, dict) else ""
        self.arguments = message.get("arguments") or {} if isinstance(message, dict) else {}
        self.idle = idle  # no cell runs, and none will until this is answered

    def _answer(self, success, **more):
        return {"type": "response", "seq": self._seq, "request_seq": self._seq, "success": success,
                "command": self.command, **more}

    def success(self, body=None):
        """The answer as JSON text. What is in it may run the user's code."""
        return jsontext.dump(self._answer(True, body={} if body is None else body))

    def failure(self, reason):
        return jsontext.dump(self._answer(False, message=reason, body=self._empty()))

    def _empty(self):
        return EMPTY_BODIES.get(self.command, {})

    def send(self, answer):
        if not self._channel.reply(self._number, answer):
            self.fail("the answer is larger than 8 MiB")

    def succeed(self, body=None):
        self.send(self.success(body))

    def fail(self, reason):
        self.send(self.failure(reason))

    def relay(self, response):
        """What the adapter answered, under the client's numbers."""
        self.send(jsontext.dump({"body": self._empty(), **response, **self._answer(bool(response.get("success")))}))
