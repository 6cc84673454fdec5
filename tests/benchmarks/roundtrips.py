"""Requests to kernels that run: until both reply and idle are there. What they bring is checked, to the last byte."""

import base64
import io
import random

from contestants import FLOOR, IPYKERNEL, OURS, PLOTS, XEUS
from figures import Goal, Row

GROUP = "a request to a running kernel"
ON_THE_FLOOR = ("pass", "a result (6 * 7)")  # what a kernel of ready-made replies answers too
WARM_UP = "import sys, os, pandas as pd, matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot(range(9))\nplt.show()"
INLINE = "%matplotlib inline\n"
LINE = "x" * 127 + "\n"
FLOOD = "import sys\nblock = ('x' * 127 + '\\n') * 7813\nfor _ in range(%d): sys.stdout.write(block)"
FIGURES = "for n in range(%d):\n    fig, ax = plt.subplots()\n    ax.plot(range(n + 100))\n    plt.show()"


def prints(run, count):
    return run.stdout == "".join("%d\n" % n for n in range(count))


def flood(run, blocks):
    return run.stdout == LINE * 7813 * blocks


def pictures(run):
    return [base64.b64decode(one.content["data"]["image/png"]) for one in run.of("display_data")
            if "image/png" in one.content["data"]]


def pixels(picture):
    from matplotlib.image import imread
    return imread(io.BytesIO(picture))


def of_cell(code, good=lambda run: True):
    """Gives milliseconds and whether all came."""
    def measure(client):
        run = client.run(code)
        return run.seconds * 1e3, run.content["status"] == "ok" and good(run), run
    return measure


def completion(client):
    run = client.ask("complete_request", {"code": "import os\nos.path.jo", "cursor_pos": 20})
    return run.seconds * 1e3, any(one.endswith("join") for one in run.content["matches"]), run


def inspection(client):
    run = client.ask("inspect_request", {"code": "os.path.join", "cursor_pos": 12, "detail_level": 0})
    return run.seconds * 1e3, "join" in run.content["data"].get("text/plain", ""), run


def half(*more):
    return [Goal(0.5, IPYKERNEL), *more]


def cases(options):
    """name, how to measure, rounds, goals"""
    count, blocks, figures = (1000, 5, 10) if options.quick else (10_000, 100, 100)
    quick_trip = [Goal(0.35, IPYKERNEL), Goal(1.0, XEUS)]
    many, few = options.rounds * 20, max(1, options.rounds // 3)
    return [
        ("pass", of_cell("pass"), many, quick_trip),
        ("a result (6 * 7)", of_cell("6 * 7", lambda run: run.result == "42"), many, quick_trip),
        ("completion", completion, many, half()),
        ("inspection", inspection, many, half()),
        ("%d prints" % count, of_cell("for n in range(%d): print(n)" % count, lambda run: prints(run, count)),
         options.rounds, half()),
        ("%d MB of stdout" % blocks, of_cell(FLOOD % blocks, lambda run: flood(run, blocks)), few, half()),
        ("%d figures" % figures, of_cell(FIGURES % figures, lambda run: len(pictures(run)) == figures), options.rounds, half()),
    ]


def measure_case(running, how, rounds):
    """Samples by contestant, who lost something, and the last run of each."""
    samples, lossy, last = {one.name: [] for one in running}, {}, {}
    order = random.Random(1)  # who comes behind a large one finds the processors' caches full of that one's
    for turn in range(-2 if rounds > 9 else -1, rounds):
        for one in order.sample(running, len(running)):
            took, whole, last[one.name] = how(one.client)
            if not whole:
                lossy[one.name] = lossy.get(one.name, 0) + 1
            if turn >= 0:
                samples[one.name].append(took)
    return samples, lossy, last


def same_pixels(last):
    import numpy
    ours, theirs = ([pixels(one) for one in pictures(last[name])] for name in (OURS, IPYKERNEL))
    same = len(ours) == len(theirs) and all(numpy.array_equal(*pair) for pair in zip(ours, theirs))
    assert same, "other pixels than ipykernel's"
    return "the same pixels as ipykernel's; %d and %d KB" % tuple(
        sum(map(len, pictures(last[name]))) // 1000 for name in (OURS, IPYKERNEL))


def measure(field, options):
    field.warm_up(PLOTS)
    running = []
    rows = []
    try:
        for name in (OURS, *field.others):
            running.append(field.start(name, PLOTS).ready())
            running[-1].client.run((INLINE if name == XEUS else "") + WARM_UP).ok()
            running[-1].client.ask("complete_request", {"code": "os.pa", "cursor_pos": 5})
        running.append(field.start(FLOOR).ready())
        for title, how, rounds, wanted in cases(options):
            taking_part = [one for one in running if one.name != FLOOR or title in ON_THE_FLOOR]
            samples, lossy, last = measure_case(taking_part, how, rounds)
            assert OURS not in lossy, "%s: cellblock lost something, %d times" % (title, lossy[OURS])
            notes = ["%s lost something in %d of %d runs" % (name, count, rounds) for name, count in lossy.items()]
            if title.endswith("figures") and IPYKERNEL in last:
                notes.append(same_pixels(last))
            rows.append(Row(GROUP, title, samples, wanted, notes=notes))
    finally:
        for one in running:
            one.stop()
    return rows
