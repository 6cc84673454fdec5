"""A notebook that fetches data from an allowed host and writes its results beside itself, run twice."""

import json
import subprocess

import pytest
from support import kernels, pypi
from support.brokers import Server

HOST = "127.0.0.2"  # 127.0.0.1 is each sandbox's own
DATA = b"city,value\nBern,3\nRome,5\n"
MINE = "the user's own\n"

CELLS = """import pandas, polars
import matplotlib.pyplot as plt
data = pandas.read_csv("http://%s:%d/data.csv")
print(data["value"].sum())
# %%
data["twice"] = 2 * data["value"]
data.to_csv("out.csv", index=False)
polars.DataFrame({"city": list(data["city"]), "twice": list(data["twice"])}).write_parquet("out.parquet")
data.plot.bar(x="city")
plt.savefig("plot.png")
# %%
data.to_csv("mine.csv", index=False)
open("later.py", "w").write("print('run me')");
# %%
import urllib.request
urllib.request.urlopen("http://%s:1/", timeout=5)"""

RUN = """
import json, nbformat, nbclient, sys
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in json.load(open(sys.argv[1]))])
nbclient.NotebookClient(book, kernel_name="fetching", allow_errors=True, resources={"metadata": {"path": sys.argv[2]}}, timeout=120).execute()
print(json.dumps([["".join(one.get("text", "") or "\\n".join(one.get("traceback", []))) for one in cell.outputs] for cell in book.cells]))
"""


@pytest.fixture
def folder(jupyter):
    made = jupyter.root / "work" / "analysis"
    made.mkdir()
    (made / "mine.csv").write_text(MINE)
    return made


def test_it_fetches_writes_and_leaves_what_is_yours(run, jupyter, folder):
    def serve(client):
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DATA) + DATA)

    with Server(serve, (HOST, 0)) as server:
        policy = json.loads(subprocess.run([kernels.PROGRAM, "policy", "show", "notebook"], capture_output=True, text=True, timeout=30).stdout)
        policy["network"] = {"allow": ["%s:%d" % (HOST, server.port)]}
        done = subprocess.run([kernels.PROGRAM, "install", "--prefix", jupyter.root / "prefix", "--python", pypi.PYTHON, "--name", "fetching",
                               "--policy", jupyter.file("fetching.json", json.dumps(policy))], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        cells = jupyter.file("cells.json", json.dumps([one.strip() for one in (CELLS.replace("%s", HOST).replace("%d", str(server.port))).split("# %%")]))
        for time in (1, 2):
            done = run("-c", RUN, str(cells), str(folder))
            assert done.returncode == 0, done.stderr[-3000:]
            first, second, third, fourth = ["\n".join(one) for one in json.loads(done.stdout.splitlines()[-1])]
            assert first.strip() == "8"
            assert all(name in second for name in ("out.csv", "out.parquet", "plot.png")), second
            assert "mine (2).csv" in third and "later.py" not in {one.name for one in folder.iterdir()}, third
            assert "network.allow" in fourth and "key network)" in fourth, fourth
            assert sorted(one.name for one in folder.iterdir()) == ["mine (2).csv", "mine.csv", "out.csv", "out.parquet", "plot.png"], time
    assert (folder / "mine.csv").read_text() == MINE
    assert (folder / "out.csv").read_text() == (folder / "mine (2).csv").read_text() == "city,value,twice\nBern,3,6\nRome,5,10\n"
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    read = run("-c", "import polars, sys; print(polars.read_parquet(sys.argv[1])['twice'].to_list())", str(folder / "out.parquet"))
    assert read.stdout == "[6, 10]\n", read.stderr
