"""From the start of a kernel's process: to its first result, to its first plot of a pandas frame. Ours is as it is installed."""

import json
import subprocess
import time

import raw
from contestants import COLD, IPYKERNEL, OURS, PLOTS, XEUS
from figures import Goal, Row

GROUP = "from the start of the kernel's process"
RESULT = raw.execution("answer = 6 * 7", user_expressions={"answer": "answer"})
PLOT = "import pandas as pd, matplotlib.pyplot as plt\npd.DataFrame({'a': range(9)}).plot()\nplt.show()"
INLINE = "%matplotlib inline\n"
WITH_CLIENT = "first result, jupyter_client's wait_for_ready"


def _ended(field, one, arrived):
    """Milliseconds until then; what was started is gone."""
    if one.name == OURS:
        assert not one.was_cold(), "the daemon gave no warm sandbox"
    one.stop()
    if one.name == OURS:
        field.settle()
    return (arrived - one.begun) * 1e3


def to_result(field, name):
    one = field.installed(name)
    arrived, reply = one.client.first("execute_request", RESULT, "execute_reply")
    answer = reply.content["user_expressions"]["answer"]["data"]["text/plain"]
    assert answer == "42", reply.content
    return _ended(field, one, arrived)


def to_plot(field, name):
    one = field.installed(name)
    code = (INLINE if name == XEUS else "") + PLOT
    arrived, shown = one.client.first("execute_request", raw.execution(code), "display_data")
    assert "image/png" in shown.content["data"], shown
    return _ended(field, one, arrived)


def with_jupyter_client(field, name):
    """As programs do it: KernelManager, wait_for_ready, execute_interactive."""
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpec
    manager = KernelManager(connection_file=str(field.place.root / "run" / ("jc-%d.json" % time.monotonic_ns())))
    manager._kernel_spec = KernelSpec(argv=field.command(name), language="python", display_name=name)
    begun = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    manager.start_kernel(**quiet, env={**field.place.environment(), **field.environment}, cwd=str(field.place.root / "work"))
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=raw.PATIENCE)
        reply = client.execute_interactive("6 * 7", timeout=raw.PATIENCE, output_hook=lambda _: None)
        took = time.perf_counter() - begun
        assert reply["content"]["status"] == "ok", json.dumps(reply["content"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        field.settle()
    return took * 1e3


def alternate(rounds, names, how):
    samples = {name: [] for name in names}
    for turn in range(-1, rounds):
        for name in names:
            value = how(name)
            if turn >= 0:  # the first is to warm up
                samples[name].append(value)
    return samples


def measure(field, options):
    field.use_for_a_while("6 * 7", ())
    first = alternate(options.starts, [OURS, COLD, *field.others], lambda name: to_result(field, name))
    rows = [Row(GROUP, "first result", first,
                [Goal(0.05, IPYKERNEL), Goal(0.05, IPYKERNEL, "p90"), Goal(0.2, XEUS), Goal(0.2, XEUS, "p90")])]
    rows.append(Row(GROUP, WITH_CLIENT, alternate(max(1, options.starts // 3), [OURS, *field.others],
                                                  lambda name: with_jupyter_client(field, name))))
    field.use_for_a_while(PLOT, PLOTS)
    plots = alternate(max(1, options.starts // 2), [OURS, *field.others], lambda name: to_plot(field, name))
    rows.append(Row(GROUP, "first plot of a pandas frame", plots, [Goal(0.1, IPYKERNEL), Goal(0.1, IPYKERNEL, "p90")]))
    return rows
