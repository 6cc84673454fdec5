# A person's hour: a notebook as people write them, in the percent format. `# %% title` begins a cell; in brackets after
# the title stands what the person does meanwhile:
#   [type: a | b]    answers to input(), in this order
#   [interrupt]      ■, once the cell has printed
#   [move: 7]        the newest slider is moved there when the cell is over
#   [click]          the newest button is clicked when the cell is over
#   [complete] [inspect] [inspect: 1] [is_complete] [history] [comm_info]   no cell, but this request about the text

# %% imports
import numpy as np
import pandas as pd
import matplotlib
import matplotlib.pyplot as plt
import seaborn as sns
import sklearn

rng = np.random.default_rng(7)
print("numpy", np.__version__, "pandas", pd.__version__)

# %% settings by magics
%matplotlib inline
%config InlineBackend.figure_format = 'png'
%precision 4
plt.rcParams["figure.dpi"] = 72

# %% data from nothing to a file
days = pd.date_range("2024-01-01", periods=120, freq="D")
sales = pd.DataFrame({
    "day": days,
    "shop": np.where(np.arange(120) % 3 == 0, "north", np.where(np.arange(120) % 3 == 1, "south", "east")),
    "visitors": rng.poisson(80, 120),
    "temperature": np.round(15 + 10 * np.sin(np.arange(120) / 19) + rng.normal(0, 2, 120), 1),
})
sales["revenue"] = np.round(sales.visitors * rng.normal(3.2, 0.4, 120) + sales.temperature * 4, 2)
sales.to_csv("sales.csv", index=False)
!wc -l sales.csv

# %% a frame
sales = pd.read_csv("sales.csv", parse_dates=["day"])
sales.head()

# %% a frame too long to show
sales

# %% info goes to stdout
sales.info()

# %% the first completion [complete]
sales.desc

# %% describe, and Out
sales.describe()

# %% names of earlier results
_.shape, __.shape, sorted(Out)[-2:], In[-2]

# %% a series
sales.groupby("shop").revenue.mean()

# %% a pivot with two levels
table = sales.assign(month=sales.day.dt.strftime("%Y-%m")).pivot_table(
    index=["shop", "month"], values=["revenue", "visitors"], aggfunc=["mean", "max"])
table.head(4)

# %% a Styler
(sales.head(6).style
    .format({"revenue": "€ {:.1f}", "temperature": "{:.1f} °C"})
    .background_gradient(subset=["revenue"], cmap="viridis")
    .bar(subset=["visitors"], color="#d65f5f")
    .highlight_max(subset=["temperature"], props="font-weight: bold; color: darkred")
    .set_caption("The first six days")
    .set_table_styles([{"selector": "th", "props": [("text-align", "left")]}])
    .hide(axis="index"))

# %% a figure as the last line
sales.plot(x="day", y="revenue", figsize=(6, 3));

# %% an axes object as the result
sales.revenue.plot.hist(bins=20)

# %% subplots and show
fig, axes = plt.subplots(1, 2, figsize=(7, 2.5))
axes[0].scatter(sales.temperature, sales.revenue, s=8)
axes[1].boxplot([part.revenue for _, part in sales.groupby("shop")])
print("before show")
plt.show()
print("after show")

# %% seaborn
sns.set_theme(style="whitegrid")
sns.lmplot(data=sales, x="temperature", y="revenue", hue="shop", height=3)

# %% two figures from one cell, svg and retina
from matplotlib_inline.backend_inline import set_matplotlib_formats
set_matplotlib_formats("svg")
plt.figure(figsize=(2, 1.5)); plt.plot([1, 3, 2]); plt.show()
set_matplotlib_formats("retina")
plt.figure(figsize=(2, 1.5)); plt.plot([3, 1, 2]); plt.show()
set_matplotlib_formats("png")

# %% a model's repr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X_train, X_test, y_train, y_test = train_test_split(
    sales[["visitors", "temperature"]], sales.revenue, test_size=0.25, random_state=0)
model = make_pipeline(StandardScaler(), LinearRegression())
model.fit(X_train, y_train)

# %% a score
print(f"R² {model.score(X_test, y_test):.3f}")
model[-1].coef_

# %% parallel work
from joblib import Parallel, delayed
Parallel(n_jobs=2)(delayed(pow)(n, 2) for n in range(6))

# %% symbols
import sympy as sp
sp.init_printing()
x = sp.symbols("x")
sp.Integral(sp.exp(-x ** 2) * sp.cos(x), (x, 0, sp.oo))

# %% a progress bar of text
from tqdm import tqdm
total = 0
for n in tqdm(range(5), desc="adding", bar_format="{desc}: {n_fmt}/{total_fmt}"):
    total += n
total

# %% a progress bar of widgets
from tqdm.auto import tqdm as auto_tqdm
for n in auto_tqdm(range(3), desc="auto"):
    pass

# %% widgets
import ipywidgets as widgets
slider = widgets.IntSlider(value=3, min=0, max=10, description="days")
label = widgets.Label()
slider.observe(lambda change: setattr(label, "value", "now %d" % change["new"]), "value")
display(widgets.VBox([slider, label]))

# %% what the slider says [move: 7]
@widgets.interact(days=(1, 10))
def first(days=2):
    print("the first", days)

# %% after the move
slider.value, label.value

# %% an Output widget and a button [click]
out = widgets.Output()
button = widgets.Button(description="Go")
button.on_click(lambda _: out.append_stdout("clicked\n"))
display(button, out)
with out:
    print("into the widget")
    display("rich too")

# %% a button that prints and fails [click]
def fail(_):
    print("about to fail")
    raise RuntimeError("the button's fault")

bad = widgets.Button(description="Fail")
bad.on_click(fail)
bad

# %% display with an id, and its updates
from IPython.display import (HTML, JSON, SVG, Audio, IFrame, Image, Javascript, Latex, Markdown, Math, Pretty, Video,
                             YouTubeVideo, clear_output, display, update_display)
handle = display("loading…", display_id="state")
handle.update("half")
update_display("done", display_id="state")
handle

# %% an animation
import time
for step in range(4):
    clear_output(wait=True)
    print("step", step)
    time.sleep(0.01)

# %% clear_output at once
print("gone")
clear_output()
print("kept")

# %% rich texts
display(Markdown("# Title\n\n*emphasis*, `code`, $x^2$\n\n| a | b |\n|---|---|\n| 1 | 2 |"))
display(Math(r"\frac{a}{b}"), Latex(r"$$\sum_{i=1}^n i$$"))
display(Pretty("pretty"))
JSON({"a": [1, 2.50, None], "b": {"c": "ü"}}, expanded=True)

# %% SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="teal"/></svg>')

# %% HTML
HTML('<div style="color: teal"><b>bold</b> <a href="https://example.org/">link</a></div>')

# %% HTML that would run
HTML('<p>text</p><script>document.title = "changed"</script><button onclick="alert(1)">press</button>')

# %% %%html
%%html
<table><tr><th>a</th><td>1</td></tr></table>

# %% %%javascript
%%javascript
element.append("hello")

# %% sound and moving pictures
display(Audio(np.sin(np.linspace(0, 1000, 2000)), rate=8000))
display(IFrame("https://example.org/", 300, 100))
display(YouTubeVideo("dQw4w9WgXcQ", width=200))
Javascript("1 + 1")

# %% an image from bytes
import base64
dot = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
Image(data=dot, width=20, alt="a dot")

# %% one's own reprs
class Money:
    def __init__(self, amount):
        self.amount = amount

    def __repr__(self):
        return f"Money({self.amount})"

    def _repr_html_(self):
        return f"<b>€ {self.amount}</b>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": repr(self), "text/markdown": f"**€ {self.amount}**"}, {"text/markdown": {"cut": True}}

display(Money(3), metadata={"text/plain": {"seen": 1}})
Money(5)

# %% a repr that fails
class Broken:
    def __repr__(self):
        raise ValueError("no repr today")

Broken()

# %% an HTML repr that fails
class HalfBroken:
    def __repr__(self):
        return "half"

    def _repr_html_(self):
        return 1 / 0

HalfBroken()

# %% a dataclass
from dataclasses import dataclass, field

@dataclass(order=True)
class Item:
    price: float
    name: str = field(compare=False)
    tags: list = field(default_factory=list, compare=False)

# %% its use, and a subclass, in another cell
@dataclass(order=True)
class Sale(Item):
    percent: int = 10

sorted([Sale(3.0, "c"), Sale(1.5, "d", ["new"])]), Item(1.0, "a")

# %% pickles of what cells define
import pickle
kept = pickle.dumps([Sale(3.0, "c"), sales.head(2)])
with open("kept.pickle", "wb") as file:
    file.write(kept)
back = pickle.load(open("kept.pickle", "rb"))
back[0], type(back[0]).__module__, back[1].equals(sales.head(2))

# %% multiprocessing
import multiprocessing as mp

def square(n):
    return n * n

with mp.Pool(2) as pool:
    print(pool.map(square, range(5)))

# %% a process that prints
child = mp.Process(target=print, args=("from the child",))
child.start(); child.join()
child.exitcode

# %% threads
import threading

def work(n):
    print("thread", n)

threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for one in threads:
    one.start()
    one.join()

# %% a thread that fails
broken = threading.Thread(target=lambda: {}["missing"], name="worker-1")
broken.start(); broken.join()

# %% await
import asyncio

async def fetch(n):
    await asyncio.sleep(0.01)
    return n * 10

await asyncio.gather(*(fetch(n) for n in range(3)))

# %% a task that goes on
async def later():
    await asyncio.sleep(0.01)
    return "done later"

task = asyncio.create_task(later())
await task

# %% asyncio.run in a loop
unawaited = fetch(1)
try:
    asyncio.run(unawaited)
finally:
    unawaited.close()

# %% a task that fails unseen
async def fails():
    raise ValueError("nobody looks")

unseen = asyncio.create_task(fails())
await asyncio.sleep(0.01)
result = await asyncio.gather(fails(), return_exceptions=True)
del unseen
result

# %% logging
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(message)s")
logging.getLogger("shop").info("opened")
logging.warning("root warns")
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("with a trace")

# %% warnings
import warnings
warnings.warn("this is old", DeprecationWarning)
warnings.warn("mind this")

def caller():
    warnings.warn("from a function", FutureWarning, stacklevel=2)

caller()

# %% a syntax warning
1 is 1

# %% stderr and stdout
import sys
print("out")
print("err", file=sys.stderr)
sys.stdout.write("written\n")

# %% descriptors, isatty and friends
print(sys.stdout.isatty(), sys.stdout.encoding, sys.stdin.isatty() if sys.stdin else None)
print(sys.argv[1:], __name__, "__file__" in globals())

# %% subprocess
import subprocess
done = subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True, text=True)
subprocess.run(["echo", "directly"])
done.returncode, done.stdout, done.stderr

# %% !commands
files = !ls *.csv
print(files, type(files).__name__)
!echo one; echo two >&2
!exit 4
_exit_code

# %% a program that isn't there
!no-such-program-here

# %% %%bash
%%bash
for n in 1 2 3; do echo "line $n"; done
echo "to stderr" >&2

# %% %%bash that fails
%%bash
echo before
exit 7

# %% %%bash with its output kept
%%bash --out said --err complained
echo kept; echo complaint >&2

# %% what was kept
said, complained

# %% %%sh and %%script
%%script sh --no-raise-error
echo script; exit 2

# %% %%python3
%%python3
import sys
print("another Python", sys.version_info[0])

# %% %%writefile
%%writefile helper.py
"""A module of the notebook's own."""
GREETING = "hello"

def greet(name="you"):
    """Greets."""
    return f"{GREETING}, {name}"

if __name__ == "__main__":
    print(greet("runner"))
    leftover = 12

# %% %%writefile again, and -a
%%writefile -a helper.py

def farewell():
    return "bye"

# %% an import of one's own module
%load_ext autoreload
%autoreload 2
import helper
helper.greet("notebook"), helper.farewell()

# %% it changes, autoreload sees it
import os, time
text = open("helper.py").read().replace('"hello"', '"good day"')
open("helper.py", "w").write(text)
os.utime("helper.py", (time.time() + 5, time.time() + 5))

# %% changed
helper.greet()

# %% %run
%run helper.py
leftover

# %% %run of a script that fails
open("broken.py", "w").write("def deep():\n    raise LookupError('in a file')\n\ndeep()\n")
%run broken.py

# %% %load
%load helper.py

# %% %cat, %pycat, %ls
%pycat helper.py

# %% %%capture
%%capture caught
print("hidden")
print("hidden too", file=sys.stderr)
display(Markdown("**hidden**"))
plt.plot([1, 2])

# %% what was caught
print(repr(caught.stdout), repr(caught.stderr), len(caught.outputs))
caught.outputs[0]

# %% %timeit
%timeit -n 10 -r 2 sum(range(100))

# %% %%timeit with a result
%%timeit -n 5 -r 2 -o
sum(range(50))

# %% %time
%time sum(range(1000))

# %% %%time
%%time
sum(range(1000))
print("timed")

# %% %prun
%prun -q -T profile.txt sum(range(10))
print(open("profile.txt").read().splitlines()[0][:30].split()[0].isdigit())

# %% %who
%who DataFrame

# %% %whos
%whos Item Sale Money

# %% %who_ls, %reset_selective
wasted = 1
%reset_selective -f ^wasted$
"wasted" in globals()

# %% %who_ls
%who_ls int

# %% %history
%history -n 3-4

# %% %macro, %rep, %recall
%macro twice 9
twice

# %% %env and %set_env
%env ANSWER=42
!echo $ANSWER
os.environ["ANSWER"]

# %% %cd and %pwd
%mkdir -p sub
%cd sub
%cd -q ..
os.path.exists("sub")

# %% %alias, %alias_magic
%alias_magic t timeit
%alias hi echo hi %s
%hi there

# %% %store, %lsmagic by line
%lsmagic

# %% %magic that isn't there
%no_such_magic 1

# %% %%cell magic that isn't there
%%no_such_cell_magic
text

# %% a magic's usage error
%timeit -q

# %% one's own magics
from IPython.core.magic import register_cell_magic, register_line_magic

@register_line_magic
def shout(line):
    return line.upper()

@register_cell_magic
def count(line, cell):
    """Counts lines."""
    print(len(cell.splitlines()), line)

a = %shout quiet
a

# %% one's own cell magic
%%count lines
one
two

# %% help
helper.greet?

# %% help with source
helper.greet??

# %% help on a class, on nothing, by pattern
Item?

# %% help on nothing
no_such_name?

# %% help by pattern
np.lins*?

# %% help()
help(helper.greet)

# %% help on a magic
%time?

# %% ? alone
?

# %% a name that isn't there
undefined_name + 1

# %% a chain of causes
def load(path):
    try:
        return open(path).read()
    except FileNotFoundError as error:
        raise RuntimeError("no data") from error

def start():
    return load("missing.csv")

start()

# %% an error in the handling of an error
try:
    {}["key"]
except KeyError:
    int("not a number")

# %% from None
try:
    1 / 0
except ZeroDivisionError:
    raise ValueError("clean") from None

# %% deep recursion
def down(n):
    return down(n + 1)

down(0)

# %% an error in a library
pd.DataFrame({"a": [1]})["b"]

# %% an error of several lines
raise ValueError("first line\nsecond line\n\nfourth")

# %% an error with notes and groups
error = ValueError("noted")
if hasattr(error, "add_note"):
    error.add_note("a note")
raise error

# %% one's own error
class ShopClosed(Exception):
    def __str__(self):
        return "the shop is closed"

raise ShopClosed

# %% its own traceback
class Rendered(Exception):
    def _render_traceback_(self):
        return ["rendered", "by itself"]

raise Rendered("unseen")

# %% a SyntaxError
print("never"
x = = 3

# %% an IndentationError
def f():
return 1

# %% a syntax error in a string
eval("1 +")

# %% assert
assert sales.revenue.min() > 1e6, "too little"

# %% output before the error
print("first")
display("second")
1 / 0
print("never")

# %% verbose tracebacks
%xmode Verbose
def divide(a, b):
    return a / b

divide(1, 0)

# %% minimal tracebacks
%xmode Minimal
divide(1, 0)

# %% context again
%xmode Context

# %% %tb
%tb

# %% %debug [type: p a, b | up | p 6*7 | q]
%debug

# %% breakpoint [type: p value | n | c]
def traced():
    value = 5
    breakpoint()
    return value * 2

traced()

# %% %pdb on [type: p here | q]
%pdb on
def pitfall():
    here = "in the pit"
    raise KeyError("pit")

pitfall()

# %% %pdb off
%pdb off

# %% input [type: Ada | 36]
name = input("Your name? ")
age = int(input())
print(f"{name} is {age}")

# %% getpass [type: secret]
import getpass
len(getpass.getpass("Password, please: "))

# %% input that fails [type: x]
int(input("A number: "))

# %% an interrupt of sleep [interrupt]
print("sleeping", flush=True)
time.sleep(30)

# %% an interrupt of a loop [interrupt]
print("counting", flush=True)
n = 0
while True:
    n += 1

# %% an interrupt that is caught [interrupt]
try:
    print("waiting", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    print("stopped kindly")
n > 0

# %% an interrupt of await [interrupt]
print("awaiting", flush=True)
await asyncio.sleep(30)

# %% an interrupt of a program [interrupt]
!echo running; sleep 30

# %% an interrupt of %%bash [interrupt]
%%bash
echo running
sleep 30

# %% an interrupt of subprocess.run [interrupt]
print("running", flush=True)
subprocess.run(["sleep", "30"])

# %% after the interrupts
"alive", _exit_code

# %% a cell over its deadline
%%timeout 1
time.sleep(20)

# %% the kernel, as libraries look for it
shell = get_ipython()
print(type(shell).__name__, type(shell).__module__, shell.has_trait("kernel"))
import ipykernel
print("IPKernelApp" in shell.config, "ipykernel" in sys.modules, hasattr(shell.kernel, "comm_manager"))
from ipykernel.comm import Comm
from ipykernel.zmqshell import ZMQInteractiveShell
isinstance(shell, ZMQInteractiveShell), shell.kernel.shell is shell

# %% what else libraries import
from ipykernel.kernelbase import Kernel
from ipykernel.ipkernel import IPythonKernel
from ipykernel.iostream import OutStream
from ipykernel import get_connection_file
isinstance(shell.kernel, Kernel), isinstance(shell.kernel, IPythonKernel), isinstance(sys.stdout, OutStream)

# %% pretty-printing
{"a": list(range(30)), "b": {"nested": np.arange(12).reshape(3, 4)}, "c": {1, 2, 3}, "long": "x" * 100}

# %% many values in one cell
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.ast_node_interactivity = "all"
1 + 1
"two"
None
[3]

# %% back to the last
InteractiveShell.ast_node_interactivity = "last_expr"

# %% a semicolon silences
40 + 2;

# %% a comment alone
# nothing

# %% unicode and control characters
print("žluťoučký kůň 🐎 \x1b[31mred\x1b[0m tab\tend")
print("50%\r100%")
"naïve 🐎"

# %% arrays
np.linspace(0, 1, 7)

# %% a large array, a frame of wide columns
print(np.arange(5000))
pd.DataFrame(np.round(rng.normal(size=(3, 30)), 3))

# %% options of pandas
with pd.option_context("display.max_rows", 4, "display.precision", 1):
    display(sales[["visitors", "temperature"]])

# %% a categorical, a time delta, a missing value
pd.Series(pd.Categorical(["a", None, "b"])), pd.Timedelta("1 day 2h"), pd.NaT

# %% rich's detection
import IPython
IPython.get_ipython().__class__.__name__, type(display).__name__, IPython.version_info[0] >= 8

# %% set_next_input
get_ipython().set_next_input("print('the next cell')")

# %% run_cell within
outcome = get_ipython().run_cell("print('inner'); 5")
outcome.result, outcome.success

# %% run_line_magic
get_ipython().run_line_magic("precision", "2")
3.14159265

# %% system by get_ipython
get_ipython().system("echo by system")
get_ipython().getoutput("echo by getoutput")

# %% events
def before():
    print("before the cell")

get_ipython().events.register("pre_run_cell", before)

# %% events at work
print("the cell")
get_ipython().events.unregister("pre_run_cell", before)

# %% an exception hook
def custom(self, etype, value, tb, tb_offset=None):
    print("custom:", value)
    return ["custom traceback"]

get_ipython().set_custom_exc((LookupError,), custom)
raise LookupError("mine")

# %% files of the working directory
sorted(os.listdir("."))

# %% temporary files
import tempfile
with tempfile.NamedTemporaryFile("w+", suffix=".txt") as file:
    file.write("temporary")
    file.seek(0)
    print(file.read())

# %% sqlite and json
import json, sqlite3
db = sqlite3.connect("shop.db")
sales.to_sql("sales", db, if_exists="replace", index=False)
pd.read_sql("select shop, count(*) n from sales group by shop", db)

# %% a generator, a file, a function as results
(n for n in range(3)), len, open("sales.csv")

# %% source of what a cell defined
import inspect
print(inspect.getsource(square))
square.__code__.co_filename == inspect.getfile(square), inspect.getmodule(square).__name__

# %% a long cell
def pipeline(frame):
    """Several steps, as people write them."""
    steps = []
    for shop, part in frame.groupby("shop"):
        part = part.sort_values("day")
        part["smooth"] = part.revenue.rolling(7, min_periods=1).mean()
        part["change"] = part.smooth.pct_change().fillna(0)
        steps.append(part)
    whole = pd.concat(steps)
    summary = whole.groupby("shop").agg(
        revenue=("revenue", "sum"),
        best=("revenue", "max"),
        days=("day", "nunique"),
        change=("change", "mean"),
    )
    summary["share"] = summary.revenue / summary.revenue.sum()
    return summary.round(3)

result = pipeline(sales)
for shop, row in result.iterrows():
    print(f"{shop:>6} {row.revenue:10.2f} {row.share:6.1%}")
fig, ax = plt.subplots(figsize=(4, 2))
result.revenue.plot.bar(ax=ax)
ax.set_title("Revenue by shop")
result

# %% faulthandler and excepthook
import faulthandler
faulthandler.is_enabled(), sys.excepthook.__name__ != ""

# %% signals and atexit
import signal
signal.getsignal(signal.SIGINT) is not None, os.getpid() > 0

# %% network
import urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:9/", timeout=2)
except OSError as error:
    print(type(error).__name__, error)

# %% a request: complete [complete]
sales.desc

# %% a request: complete a module [complete]
import os.pa

# %% a request: complete a file [complete]
open("hel

# %% a request: complete a magic [complete]
%matplot

# %% a request: inspect [inspect]
helper.greet

# %% a request: inspect with source [inspect: 1]
helper.farewell

# %% a request: inspect in a call [inspect]
np.linspace(

# %% a request: inspect nothing [inspect]
zzzzz

# %% a request: is a cell complete [is_complete]
for n in range(3):

# %% a request: is another [is_complete]
x = 1

# %% a request: is a wrong one [is_complete]
x = = 1

# %% a request: the widgets [comm_info]

# %% a table of thousands of rows
HTML(pd.DataFrame({"n": range(4000), "square": [n * n for n in range(4000)], "name": ["row %d" % n for n in range(4000)]}).to_html())

# %% a picture of thousands of points
set_matplotlib_formats("svg")
plt.figure(figsize=(3, 2)); plt.plot(range(4000), [n * 7 % 100 for n in range(4000)], "."); plt.show()
set_matplotlib_formats("png")

# %% a long text as a result
"ab" * 350_000

# %% many lines and their errors in turn
for n in range(3000):
    print("out", n)
    print("err", n, file=sys.stderr)

# %% arrays with names
import xarray as xr
xr.Dataset({"warmth": (("day", "hour"), np.arange(6.0).reshape(2, 3))}, coords={"day": ["mon", "tue"]}, attrs={"unit": "°C"})

# %% a search over a model's parameters
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
GridSearchCV(make_pipeline(ColumnTransformer([("scale", StandardScaler(), ["visitors"])]), LinearRegression()), {"linearregression__positive": [True]})

# %% an animation to play
from matplotlib.animation import FuncAnimation
fig, ax = plt.subplots(figsize=(2, 1.5))
line, = ax.plot([0, 1], [0, 1])
moving = FuncAnimation(fig, lambda n: line.set_data([0, 1], [0, n]), frames=2)
plt.close(fig)
HTML(moving.to_jshtml())

# %% plotly
import plotly.graph_objects as go
go.Figure(go.Scatter(x=[1, 2, 3], y=[3, 1, 2]), layout={"title": {"text": "<b>three</b> points"}})

# %% altair
import altair as alt
alt.Chart(sales.head(5)).mark_bar().encode(x="visitors:Q", y="shop:N")

# %% bokeh
from bokeh.plotting import figure, output_notebook, show
output_notebook(hide_banner=True)
plot = figure(width=200, height=150)
plot.line([1, 2], [2, 1])
show(plot)

# %% a frame of polars
import polars as pl
pl.DataFrame({"shop": ["north", "south"], "revenue": [310.5, None]})

# %% a table of statsmodels
import statsmodels.formula.api as smf
smf.ols("revenue ~ visitors", sales).fit().summary().tables[1]

# %% a graph of networkx
import networkx as nx
plt.figure(figsize=(2, 1.5))
nx.draw(paths := nx.path_graph(3), nx.circular_layout(paths), node_size=40)

# %% an array of dask
import dask.array as da
da.ones((100, 100), chunks=(50, 50))

# %% a table of rich
import rich
from rich.table import Table
shops = Table("shop", "revenue", title="Shops")
shops.add_row("north", "[bold]310[/bold]")
rich.print(shops)

# %% a moving picture of one's own bytes
Video(data=b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", mimetype="video/mp4", embed=True)

# %% an image by its address
Image(url="https://example.org/picture.png")

# %% a widget of a module that nobody named
from traitlets import Unicode

class Globe(widgets.DOMWidget):
    _view_name = Unicode("GlobeView").tag(sync=True)
    _view_module = Unicode("some-globe").tag(sync=True)
    _model_name = Unicode("GlobeModel").tag(sync=True)
    _model_module = Unicode("some-globe").tag(sync=True)

Globe()

# %% a bundle whose texts are lists of lines
display({"text/plain": ["one\n", "two"], "text/html": ["<b>one</b>\n", "two"]}, raw=True)

# %% what the shell knows of its request
shell = get_ipython()
print(shell.get_parent()["header"]["msg_type"], shell.parent_header["header"]["msg_type"], shell.kernel.get_parent()["header"]["msg_type"])
shell.set_parent(shell.get_parent())

# %% a group of errors
def both():
    yield ValueError("one")
    yield TypeError("other")

raise ExceptionGroup("both failed", list(both()))

# %% a traceback that is shown
try:
    1 / 0
except ZeroDivisionError:
    get_ipython().showtraceback()
"on it goes"

# %% pip, of what is there
%pip install numpy pandas

# %% nothing but spaces
   

# %% after nothing
print("counted")

# %% sys.exit
print("leaving")
sys.exit("with a message")

# %% SystemExit without a word
raise SystemExit

# %% after it
"still here", len(Out) > 40

# %% quit [last]
quit
