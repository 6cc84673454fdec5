"""The engine `modal`: one command in a sandbox of Modal's, with this process's stdin and stdout.

    modal.py probe [ENVIRONMENT]       leaves with 0 where the service is there and takes the key
    modal.py run NAME IMAGE MEMORY CPUS SECONDS LINE [ENVIRONMENT]
                                       creates a sandbox, runs the line by sh in it, and terminates the sandbox in the end
    modal.py kill NAME [ENVIRONMENT]   terminates the sandbox of that name
    modal.py list [ENVIRONMENT]        prints the names of all sandboxes that this engine has created

ENVIRONMENT: an environment of the workspace; without one, or with "", it is the workspace's own choice. IMAGE: an image's id
(im-…), a name in a registry, or "debian-slim" for Modal's Debian with IPython. MEMORY: in MiB. CPUS: processors, 0 for no limit. SECONDS: how long the sandbox lives
at most. The key is in $MODAL_TOKEN_ID and $MODAL_TOKEN_SECRET or in ~/.config/cellblock/modal-key, and goes to the service
alone. The package `modal` of PyPI speaks with the service; it has to be one of the Python that runs this program.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys

from hosted import LIFE, MARK, PIECE, RENEW, Failed, is_name, read_key, shown, write

sys.path.pop(0)  # this file's folder, where the package's name would mean this file

OLDEST = (1, 6)  # version of the package
PATIENCE = 15    # seconds that a call to the service may take
STARTING = 600   # seconds that a sandbox may take to start; the first of an image waits until Modal has built the image
TIME_IS_OVER, TERMINATED = 124, 137  # a sandbox's exit status
SLIM = "ipython>=8,<10", "matplotlib", "pandas", "debugpy"

# The sandbox's own command, which is the sandbox's life: a byte on stdin renews it.
ALIVE = "import os, select\nwhile select.select([0], [], [], %d)[0] and os.read(0, 64): pass" % LIFE


def sdk():
    """The package `modal`. Failed: it isn't there, or is too old."""
    try:
        import modal
    except ImportError as error:
        raise Failed("%s has no package modal (%s). Install it there (pip install modal), or begin PATH with the bin folder of "
                     "a virtual environment that has it" % (sys.executable, error)) from None
    version = str(getattr(modal, "__version__", "unknown"))
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if not numbers or tuple(map(int, numbers.groups())) < OLDEST:
        raise Failed("the package modal of %s has version %s, and %d.%d or later is needed: pip install --upgrade modal"
                     % (sys.executable, shown(version), *OLDEST))
    return modal


async def step(what, call, seconds=PATIENCE):
    """The call's result, which has to come within so many seconds (None: at any time). Failed: there is none."""
    try:
        return await asyncio.wait_for(call, seconds)
    except asyncio.TimeoutError:
        raise Failed("can't %s: no answer came in time from %s. Look at the network, and whether the service works"
                     % (what, os.environ.get("MODAL_SERVER_URL") or "Modal")) from None
    except Failed:
        raise
    except Exception as error:  # each version of the package has kinds of its own
        advice = ". The key is wrong or was revoked: `modal token new` makes another" if type(error).__name__ == "AuthError" else ""
        raise Failed("can't %s: %s%s" % (what, shown(str(error) or type(error).__name__), advice)) from None


async def connect(environment):
    """The service. Failed: there is no key or no package, the service isn't there, or it refuses the key."""
    key = read_key(["MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"], "modal-key")
    modal = sdk()
    client = await step("connect", modal.Client.from_credentials.aio(*key))
    app = await step("find the app " + MARK, modal.App.lookup.aio(
        MARK, client=client, environment_name=environment or None, create_if_missing=True))
    return Service(modal, client, app)


class Service:
    """Calls to the service, in one of its environments."""

    def __init__(self, modal, client, app):
        self.modal, self.client, self.app = modal, client, app

    async def names(self):
        """The names of the sandboxes that this engine has created."""
        sandboxes = [one async for one in self.modal.Sandbox.list.aio(app_id=self.app.app_id, client=self.client)]
        tags = await asyncio.gather(*(one.get_tags.aio() for one in sandboxes), return_exceptions=True)
        names = [one.get(MARK) for one in tags if isinstance(one, dict)]  # others have ended meanwhile
        return [name for name in names if is_name(name)]

    async def kill(self, name):
        """Terminates the sandbox of that name, where there is one."""
        async for sandbox in self.modal.Sandbox.list.aio(app_id=self.app.app_id, tags={MARK: name}, client=self.client):
            await sandbox.terminate.aio()

    async def create(self, name, image, memory, cpus, seconds):
        """A sandbox without a network, which lives on as long as it is renewed."""
        return await step("create a sandbox", self.modal.Sandbox.create.aio(
            "python3", "-c", ALIVE, app=self.app, client=self.client, image=self.image(image), tags={MARK: name}, block_network=True,
            timeout=int(seconds), memory=(int(memory), int(memory)), cpu=(float(cpus), float(cpus)) if float(cpus) else None), STARTING)

    def image(self, name):
        if name == "debian-slim":
            return self.modal.Image.debian_slim("3.13").pip_install(*SLIM)
        return self.modal.Image.from_id(name, self.client) if name.startswith("im-") else self.modal.Image.from_registry(name)


async def feed(stdin):
    """Our stdin to the process, piece by piece; a thread waits for each."""
    while piece := await asyncio.to_thread(os.read, 0, PIECE):
        stdin.write(piece)
        await stdin.drain.aio()
    stdin.write_eof()
    await stdin.drain.aio()


async def renew(stdin):
    """Signs of life for the sandbox's own command."""
    while True:
        await asyncio.sleep(RENEW)
        stdin.write(b".")
        await stdin.drain.aio()


async def copy(stream, descriptor):
    """A stream of the process to a descriptor of ours; a thread waits where that is full."""
    async for piece in stream:
        await asyncio.to_thread(write, descriptor, piece)


async def follow(process, output):
    """The process's output, to the end; its exit status."""
    await asyncio.gather(copy(process.stdout, output), copy(process.stderr, 2))
    return await step("learn how the command ended", process.wait.aio())


async def keep(process, sandbox):
    """Input for the process and signs of life for the sandbox. Never ends but by an error."""
    await asyncio.gather(feed(process.stdin), renew(sandbox.stdin))


async def work(sandbox, line, output):
    """Runs the line until it ends or the way to it breaks; its exit status."""
    process = await step("start the command", sandbox.exec.aio("/bin/sh", "-c", "exec " + line, text=False), STARTING)
    for first in asyncio.as_completed([follow(process, output), keep(process, sandbox)]):
        return await step("reach the sandbox", first, None)


async def run(name, image, memory, cpus, seconds, line, environment=""):
    """The exit status of the line in a new sandbox, which is gone afterwards. A signal ends it too."""
    service = await connect(environment)
    output = os.dup(1)
    os.dup2(2, 1)  # the package's own words aren't the command's output
    this = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    sandbox = await service.create(name, image, memory, cpus, seconds)
    try:
        status = await work(sandbox, line, output)
        ended = await step("ask for the sandbox", sandbox.poll.aio()) if status else None
        if ended is not None:
            raise Failed("the sandbox has ended: " + {TIME_IS_OVER: "its %s s are over" % seconds, TERMINATED: "it was terminated"}.get(
                ended, "its own command left with %d" % ended))
        return status
    finally:
        with contextlib.suppress(Failed):  # it ends for want of renewal
            await step("terminate the sandbox", sandbox.terminate.aio())


async def probe(environment=""):
    await connect(environment)


async def kill(name, environment=""):
    service = await connect(environment)
    await step("terminate the sandbox", service.kill(name))


async def show_names(environment=""):
    service = await connect(environment)
    for name in await step("list the sandboxes", service.names()):
        print(name)


async def main(word, *words):
    """Ends the program."""
    try:
        status = await {"probe": probe, "run": run, "kill": kill, "list": show_names}[word](*words) or 0
        sys.stdout.flush()
    except (Failed, asyncio.CancelledError) as failure:
        print("modal: %s" % (str(failure) or "ended by a signal"), file=sys.stderr, flush=True)
        status = 1
    os._exit(status & 0xff)  # threads that still wait end with it


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
