"""HTML and SVG in a form that the output filter's rewriting doesn't change: without its scope, prefixes and spacing."""

import html
import re
from html.parser import HTMLParser

SCOPE = re.compile(r"\.?cb-scope-[0-9a-f]+ ?")
WRAPPER = "contain:paint;overflow:auto"
IGNORED = {"scoped", "type", "target", "rel", "xmlns", "xmlns:xlink"}
EMPTY = {"br", "hr", "img", "input", "col"}


def style(text):
    text = SCOPE.sub("", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).replace("cb-", "")
    return re.sub(r";(?=}|$)", "", re.sub(r"\s*([{}:;,>])\s*", r"\1", re.sub(r"\s+", " ", text)).strip())


class _Plain(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts = []
        self.open = []  # (tag, is it a wrapper)

    def handle_starttag(self, tag, attrs):
        attrs = {key: value or "" for key, value in attrs}
        wrapper = tag == "div" and attrs.get("style") == WRAPPER
        if tag not in EMPTY:
            self.open.append((tag, wrapper))
        if wrapper:
            return
        shown = []
        for key, value in sorted(attrs.items()):
            value = style(value) if key == "style" else " ".join(SCOPE.sub("", value).replace("cb-", "").split())
            if key not in IGNORED and not (key == "class" and not value):
                shown.append(" %s=%s" % (key, html.escape(value)))
        self.parts.append("<%s%s>" % (tag, "".join(shown)))

    def handle_endtag(self, tag):
        while self.open:
            name, wrapper = self.open.pop()
            if not wrapper:
                self.parts.append("</%s>" % name)
            if name == tag:
                break

    def handle_data(self, data):
        inside = self.open[-1][0] if self.open else ""
        text = style(data) if inside == "style" else " ".join(data.split())
        if text:
            self.parts.append(text)


def plain(text):
    parser = _Plain()
    parser.feed(text)
    parser.close()
    return "\n".join(parser.parts)
