#!/usr/bin/env python3
"""A language model analyses a CSV file: it writes cells, sees what they print and draw, and answers.

    examples/data_agent.py                                    # a stand-in for the model: no key needed
    examples/data_agent.py --model claude-sonnet-4-5          # the real one: pip install anthropic, $ANTHROPIC_API_KEY

The cells run in a sandbox, whatever the model writes. The last chart is saved as chart.png.
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "share" / "python"))
import cellblock  # noqa: E402

DATA = "month,sales\n" + "".join("2026-%02d,%d\n" % (month, 100 + 17 * month + 40 * (month % 3)) for month in range(1, 13))
QUESTION = "sales.csv has a year's sales by month. Which month was the best, and by how much above the average? Draw a chart of it."
TOOL = {"name": "run_python", "description": "Runs a cell of Python in a sandbox; variables stay. matplotlib's figures come back as images.",
        "input_schema": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}}
CANNED = ["import csv\nrows = [(r['month'], int(r['sales'])) for r in csv.DictReader(open('sales.csv'))]\nprint(rows[:3])",
          "best = max(rows, key=lambda r: r[1]); mean = sum(s for _, s in rows) / len(rows)\nprint(best, round(best[1] - mean, 1))",
          "import matplotlib.pyplot as plt\nplt.bar([m[5:] for m, _ in rows], [s for _, s in rows]); plt.axhline(mean, color='k')\nplt.show()"]


def stand_in(messages):
    """Answers as Anthropic's API does: its next canned cell, and in the end what the second one printed."""
    asked = sum(message["role"] == "assistant" for message in messages)
    if asked < len(CANNED):
        return [{"type": "tool_use", "id": "toolu_%d" % asked, "name": "run_python", "input": {"code": CANNED[asked]}}]
    printed = messages[4]["content"][0]["content"][0]["text"]
    return [{"type": "text", "text": "The best month, and how far it lies above the average: " + printed.strip()}]


def real(model):
    import anthropic
    client = anthropic.Anthropic()
    return lambda messages: [block.model_dump(exclude_none=True) for block in client.messages.create(
        model=model, max_tokens=4000, tools=[TOOL], messages=messages).content]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="a model of Anthropic's; without it a stand-in answers")
    asked = parser.parse_args()
    ask = real(asked.model) if asked.model else stand_in
    messages = [{"role": "user", "content": QUESTION}]
    with cellblock.Sandbox() as box:
        box.files.write("sales.csv", DATA)
        for _ in range(20):
            answer = ask(messages)
            messages.append({"role": "assistant", "content": answer})
            calls = [block for block in answer if block["type"] == "tool_use"]
            if not calls:
                print("\n".join(block["text"] for block in answer if block["type"] == "text"))
                return
            results = []
            for call in calls:
                print("…", call["input"]["code"].replace("\n", "\n  "))
                done = box.run(call["input"]["code"], timeout=30)
                results.append(done.to_anthropic(call["id"]))
                for picture in filter(None, (one.png for one in done.results)):
                    pathlib.Path("chart.png").write_bytes(picture)
                    print("  chart.png")
            messages.append({"role": "user", "content": results})


main()
