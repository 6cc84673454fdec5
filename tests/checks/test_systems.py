"""tests/vm/table.py: the README's table of systems says what the runs found, and nothing else."""

import importlib.util
import json
import pathlib
import subprocess

TABLE = pathlib.Path(__file__).resolve().parents[1] / "vm" / "table.py"
RUN = {"system": "Debian GNU/Linux 12 (bookworm)", "linux": "6.1.0", "processor": "x86_64", "installed": {
    ".deb": {"login": {"layers": {"namespaces": True, "memory": False}, "stopped": 70, "attempts": 74, "cold": 2.34, "warm": 0.5},
             "user service": {}}}}


def table_of(*files):
    return subprocess.run([TABLE, "--print", *files], capture_output=True, text=True, timeout=60, check=False)


def test_a_row_has_what_the_run_found_and_empty_cells_for_the_rest(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    done = table_of(tmp_path / "run.json")
    assert done.stdout.splitlines()[2:] == [
        "| Debian GNU/Linux 12 (bookworm), Linux 6.1.0, x86_64 | .deb | login | 1 of 2; not `memory` | 70 of 74 | 2.3 s | 0.5 s |",
        "| Debian GNU/Linux 12 (bookworm), Linux 6.1.0, x86_64 | .deb | user service |  |  |  |  |"]


def test_rows_of_a_system_that_was_not_run_again_stay():
    spec = importlib.util.spec_from_file_location("table", TABLE)
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    place = "<!-- systems: written by tests/vm/table.py -->\n%s<!-- end of systems -->"
    later = {**RUN, "system": "Debian GNU/Linux 13 (trixie)"}
    page = place % writer.table([later, RUN])
    again = {**RUN, "linux": "6.1.99", "installed": {".deb": {"root's service": {}}, "wheel": {"login": {}}}}
    told = writer.rows_of(place % writer.table([again], writer.rows_of(page)))
    assert [row[:3] for row in told] == [("Debian GNU/Linux 12 (bookworm), Linux 6.1.99, x86_64", ".deb", "root's service"),
                                         ("Debian GNU/Linux 12 (bookworm), Linux 6.1.99, x86_64", "wheel", "login"),
                                         ("Debian GNU/Linux 13 (trixie), Linux 6.1.0, x86_64", ".deb", "login"),
                                         ("Debian GNU/Linux 13 (trixie), Linux 6.1.0, x86_64", ".deb", "user service")]
    assert told[2] == writer.rows_of(page)[2], "its cells are as they were"


def test_without_a_run_it_says_what_makes_one(tmp_path):
    done = table_of(tmp_path / "nothing.json")
    assert done.returncode == 1 and "tests/vm/run" in done.stderr and "Traceback" not in done.stderr
