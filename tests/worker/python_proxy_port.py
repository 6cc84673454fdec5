"""The far end's proxy port (sandbox/python/remote/connections.py) over stdin and stdout, without a warden. Its first line on
stderr is the port's number; its argument is how many connections are permitted."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sandbox" / "python"))
from remote import connections, mux  # noqa: E402

os.set_blocking(2, True)
ours = mux.Mux()
listener = connections.listen(0)
ours.connections = connections.Connections(ours, listener, int(sys.argv[1]))
print(listener.getsockname()[1], file=sys.stderr, flush=True)
while not ours.ended:
    ours.pump(1)
ours.close()
