#!/usr/bin/python3
"""A program that gives a sandbox a file, lets code work on it in two steps, and takes a number and a plot out.

    PYTHONPATH=share/python examples/sandbox_session.py

share/python/README.md tells how to have the package without PYTHONPATH.
"""
import cellblock

with cellblock.Sandbox() as box:
    box.files.write("numbers.txt", "1 4 9")
    box.run("numbers = [int(word) for word in open('numbers.txt').read().split()]")
    print("the total is", box.run("sum(numbers)").text)
    done = box.run("import matplotlib.pyplot as plt\nplt.plot(numbers)\nplt.show()", timeout=60)
    if not done.ok:
        raise SystemExit(str(done.error))
    with open("plot.png", "wb") as file:
        file.write(next(shown.png for shown in done.results if shown.png))
    print("a language model would be told", [block["type"] for block in done.to_anthropic("toolu_1")["content"]])
