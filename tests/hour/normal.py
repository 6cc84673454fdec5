"""A recording without what is different each time: ids, addresses, durations, names of temporary files.

Text of one stream between two other messages counts as one, and stdout and stderr apart from each other: when a kernel
sends what was printed is its own affair.
"""

import json
import re

import markup

ANSI = re.compile(r"\x1b\[[0-9;]*m")
MARKUP = ("text/html", "image/svg+xml")
UNIT = r"(?:ns|[µμu]s|ms|s|min)"
CHANGING = [
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"(?:/[\w.-]+)+/ipykernel_\d+/\d+\.py"), "/tmp/ipykernel_N/N.py"),
    (re.compile(r"\b\d+\.py, line"), "N.py, line"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? " + UNIT + r"\b"), "TIME"),
    (re.compile(r"(TIME ± TIME|Wall time: TIME|CPU times: .*|total: TIME)"), "TIMES"),
    (re.compile(r"The slowest run took .*\n"), ""),
    (re.compile(r"\(\d+ times\)"), "(N times)"),
    (re.compile(r"object at [0-9a-f]{8,}"), "object at 0x…"),
    (re.compile(r"\d+:\d\d<\d+:\d\d|\d+(\.\d+)?(it/s|s/it)"), "PACE"),
    (re.compile(r"Task-\d+"), "Task-N"),
    (re.compile(r"<dc:date>[^<]*|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+"), "DATE"),
    (re.compile(r"\b(\d+) (?=bytes|kB)"), "N "),
]
ID = r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?:_\d+)*"
IDS = re.compile(r"(?<![0-9a-f])%s(?![0-9a-f])|\bT_[0-9a-f]{5}(?![0-9a-f])|\b[mp][0-9a-f]{10}\b" % ID)


class Normal:
    """One recording's; keeps what it has named."""

    def __init__(self, directory):
        self._directory = directory
        self._names = {}

    def text(self, text):
        text = ANSI.sub("", text).replace(self._directory, "/work").replace("\r\n", "\n")
        for pattern, word in CHANGING:
            text = pattern.sub(word, text)
        return IDS.sub(lambda found: self._names.setdefault(found[0], "ID%d" % len(self._names)), text)

    def value(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(self._of_type(key, value[key]))
                    for key in sorted(value, key=str)}
        return value

    @staticmethod
    def _of_type(key, value):
        """A text may be a list of its lines."""
        if str(key).startswith("text/") and isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = "".join(value)
        return markup.plain(value) if key in MARKUP and isinstance(value, str) else value

    def request(self, messages):
        """The reply, and what was shown in its order: [(place, value)]."""
        self._names.clear()
        found, streams = [], {}

        def end_streams():
            for name in sorted(streams):
                found.append(("stream " + name, self.text(streams[name])))
            streams.clear()

        for message in messages:
            content, kind = message["content"], message["type"]
            if kind == "stream":
                streams[content["name"]] = streams.get(content["name"], "") + content["text"]
                continue
            if message["channel"] == "shell" or kind in ("status", "execute_input"):
                continue
            end_streams()
            found.append((kind, self.value({**content, "buffers": message["buffers"], "message metadata":
                                            message["metadata"]})))
        end_streams()
        return found + self._frame(messages)

    def _frame(self, messages):
        states = [one["content"]["execution_state"] for one in messages if one["type"] == "status"]
        inputs = [one["content"] for one in messages if one["type"] == "execute_input"]
        replies = [(one["type"], self.value(self._comms_counted(one["content"])))
                   for one in messages if one["channel"] == "shell"]
        return [("states", states), *[("execute_input", self.value(one)) for one in inputs], *replies]


    @staticmethod
    def _comms_counted(content):
        """A comm_info_reply has comms by their ids, in no order: their targets alone are compared."""
        if not isinstance(content.get("comms"), dict):
            return content
        return {**content, "comms": sorted(one["target_name"] for one in content["comms"].values())}


def leaves(value, path=""):
    """A value as {path: leaf}."""
    if isinstance(value, dict) and "pixels" not in value:
        found = {}
        for key, one in value.items():
            found.update(leaves(one, "%s/%s" % (path, key)))
        return found or {path: {}}
    if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        return leaves(dict(enumerate(value)), path)
    return {path: value}


def load(file, directory):
    normal = Normal(directory)
    with open(file) as text:
        return [(title, [normal.request(one) for one in requests]) for title, requests in json.load(text)]
