"""What a cold jail's warden starts a worker by: descriptor 3 is its socket and, with --debugger, 4 its debugger's.

With --files or --commands it is that agent instead, with its socket."""

import gc
import os
import sys

SOCKET, DEBUGGER = 3, 4


def be_agent():
    os.set_inheritable(SOCKET, False)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from cellblock_worker import agents, process
    process.run_and_leave(lambda: agents.agent_of(sys.argv[-1]).main(SOCKET))


def main():
    gc.disable()  # until the start is over: what is imported stays
    if sys.argv[-1] in ("--files", "--commands"):
        be_agent()
    for fd in (SOCKET, DEBUGGER) if "--debugger" in sys.argv else (SOCKET,):
        os.set_inheritable(fd, False)
    import site  # as Python does without -S, but what a .pth file starts doesn't get the sockets
    site.main()
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    from cellblock_worker import process, worker
    sys.path.remove(folder)
    process.run_and_leave(lambda: worker.main(SOCKET, DEBUGGER if "--debugger" in sys.argv else None, announced=True))


main()
