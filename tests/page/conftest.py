"""What a cell displays, taken through the program and into a page in a real browser."""

import html as text
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest
from support import kernels

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "xss-vectors.json"
PYTHON = "/usr/bin/python3"


class Canary:
    """Every name that the browser looks up leads here; nobody may come."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.visits = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                guest, _ = self.server.accept()
            except OSError:
                return
            guest.settimeout(2)
            try:
                self.visits.append(guest.recv(4096))  # of TLS: the greeting, which names the host
                guest.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                self.visits.append(b"a connection")
            guest.close()


@pytest.fixture(scope="session")
def canary():
    made = Canary()
    yield made
    made.server.close()


def known_vectors():
    """The collection that lies beside the project, where it does."""
    path = pathlib.Path(os.environ.get("CELLBLOCK_XSS_VECTORS", SHARED))
    return [one["payload"] for one in json.loads(path.read_text())["vectors"]] if path.exists() else None


@pytest.fixture(scope="session")
def shown():
    """shown([(type, text), …], **outputs) → what the program lets out of each, a list of bundles."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cbtest-page-"))

    def run(items, **outputs):
        policy = folder / "page.json"
        policy.write_text(json.dumps({"limits": {"output": "256MiB", "code": "8MiB", "memory": "2GiB"},
                                      "outputs": outputs}))
        # As `publish_display_data` does, each with a plain text of its number.
        code = ("import json\nfrom IPython.display import publish_display_data\n"
                "for n, bundle in enumerate(json.loads(%r)):\n"
                "    publish_display_data({**bundle, 'text/plain': 'number %%d' %% n})\n"
                % json.dumps([item if isinstance(item, dict) else {item[0]: item[1]} for item in items]))
        done = subprocess.run([kernels.PROGRAM, "run", "--json", "--python", PYTHON, "--policy", str(policy), "-"],
                              input=code, capture_output=True, text=True, timeout=120)
        report = json.loads(done.stdout)
        assert report["status"] == "ok", report
        bundles = [result.get("data", result) for result in report["results"]]
        assert [bundle["text/plain"] for bundle in bundles] == ["number %d" % n for n in range(len(items))]
        return bundles, report

    yield run
    shutil.rmtree(folder)


PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><style>
.guard { position: fixed; width: 30px; height: 30px; z-index: 10; background: green; }
.out { margin: 40px; max-width: 600px; border: 1px solid grey; }
.jp-Dialog, .modal-backdrop { position: fixed; inset: 0; z-index: 99; background: black; }
</style><script>
window.ran = [];
for (const name of ["alert", "confirm", "prompt", "print", "open"])
  window[name] = (...a) => { window.ran.push(name + " " + a.join()); };
</script></head><body>
<div id="guard" class="guard" style="left:0;top:0"></div><div class="guard" style="right:0;top:0"></div>
<div class="guard" style="left:0;bottom:0"></div><div class="guard" style="right:0;bottom:0"></div>
<p id="own">the page's own <b>text</b></p>
%(body)s
<script>
const style = (e) => { const s = getComputedStyle(e);
  return [s.display, s.color, s.visibility, s.backgroundImage, s.position, s.fontSize, s.opacity].join("|"); };
const own = [document.documentElement, document.body, document.getElementById("own"),
             ...document.querySelectorAll(".guard")];
const before = own.map(style);
const outputs = JSON.parse(document.getElementById("outputs").textContent);
const where = [];
outputs.forEach((html, n) => {
  const place = document.createElement("div");
  place.className = "out"; place.id = "out" + n;
  document.body.appendChild(place);
  place.innerHTML = html;
  // As front ends do with the scripts of a trusted output.
  for (const old of place.querySelectorAll("script")) {
    const made = document.createElement("script");
    for (const a of old.attributes) made.setAttribute(a.name, a.value);
    made.textContent = old.textContent; old.replaceWith(made);
  }
  for (const one of place.querySelectorAll("a, button, summary, [class]")) {
    if (["http:", "https:", "file:", "mailto:", ":"].includes(one.protocol)) continue;  // a page that is left tells nothing
    try { one.click(); } catch (e) {}
  }
  place.dispatchEvent(new Event("mouseover", {bubbles: true}));
});
function look() {
  const bad = [];
  outputs.forEach((_, n) => {
    const place = document.getElementById("out" + n);
    for (const one of place.querySelectorAll("*")) {
      const name = one.localName;
      if (["script", "iframe", "object", "embed", "form", "link", "meta", "base", "foreignobject",
           "animate", "set", "template", "textarea", "dialog"].includes(name.toLowerCase()))
        bad.push(n + ": <" + name + ">");
      // A box to tick that belongs to no form; sound and video whose bytes are here and that wait to be started.
      if (name == "input" && (!["checkbox", "radio"].includes(one.type) || one.form)) bad.push(n + ": <input>");
      if (["video", "audio"].includes(name) && (one.autoplay || !one.controls || one.children.length ||
          !/^data:(audio|video)[/][a-z0-9-]+;base64,/.test(one.getAttribute("src")))) bad.push(n + ": <" + name + ">");
      for (const a of one.attributes) {
        if (/^on/i.test(a.name) || /^(srcdoc|formaction|form|ping|action|background|poster|srcset|autofocus|autoplay|data-.*|role)$/i.test(a.name))
          bad.push(n + ": " + a.name);
        if (/href|src$/i.test(a.name) && !/^(#|https?:|mailto:|data:(image|audio|video)\\/[a-z0-9-]+;base64,)/.test(a.value))
          bad.push(n + ": " + a.name + "=" + a.value);
        if (["id", "name", "for", "aria-controls", "aria-labelledby"].includes(a.name) && !a.value.startsWith("cb-")) bad.push(n + ": " + a.name);
      }
      const s = getComputedStyle(one);
      // What is placed is held by a root that paints nothing outside of itself.
      const held = one.parentElement.closest("[style='contain:paint;overflow:auto']");
      if (s.position == "fixed" || (["absolute", "sticky"].includes(s.position) &&
          !(held && getComputedStyle(held).contain == "paint" && getComputedStyle(held).display == "block")))
        bad.push(n + ": position " + s.position);
    }
  });
  const {clientWidth: w, clientHeight: h} = document.documentElement;  // without scroll bars
  const covered = [[15, 15], [w - 15, 15], [15, h - 15], [w - 15, h - 15]]
    .filter(([x, y]) => !document.elementFromPoint(x, y)?.classList.contains("guard")).map(String);
  // What is painted outside of its place: the boxes can't tell of ink, but of everything else.
  const after = own.map(style);
  const extra = EXTRA;
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify({ran: window.ran, bad, covered, extra,
    restyled: own.filter((_, i) => before[i] != after[i]).map((e) => e.tagName + after[own.indexOf(e)]),
    count: outputs.length});
  document.body.appendChild(told);
}
setTimeout(look, 1500);
</script></body></html>"""


@pytest.fixture(scope="session")
def browse(canary):
    """browse([html, …], extra="a JavaScript expression") → what was found in the page, with the visits to the canary."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cbtest-page-"))

    def look(outputs, extra="null", as_document=False):
        # JSON in a script element must not end it.
        data = json.dumps(outputs).replace("<", "\\u003c")
        body = '<script type="application/json" id="outputs">%s</script>' % data
        if as_document:  # the page's own parser reads them, not innerHTML
            body += "".join("<div class=out>%s</div>" % one for one in outputs)
        page = folder / "page.html"
        page.write_text(PAGE.replace("EXTRA", extra).replace("%(body)s", body), encoding="utf-8",
                        errors="surrogatepass")
        del canary.visits[:]
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-pings",
             "--disable-domain-reliability", "--disable-default-apps", "--window-size=1000,800",
             "--host-resolver-rules=MAP * 127.0.0.1:%d" % canary.port, "--user-data-dir=%s" % (folder / "profile"),
             "--virtual-time-budget=6000", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, timeout=120, errors="replace")
        told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.S)
        assert told, "the page told nothing: " + done.stdout[-2000:] + done.stderr[-2000:]
        found = json.loads(text.unescape(told.group(1)))
        own = (b"google", b"gstatic", b"gvt1")  # the browser's own errands
        found["visits"] = [visit for visit in canary.visits if visit and not any(name in visit for name in own)]
        return found

    yield look
    shutil.rmtree(folder, ignore_errors=True)
