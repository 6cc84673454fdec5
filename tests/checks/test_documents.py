"""The documents: links, files and commits that they name are there, and the policy's reference is what the program prints."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CELLBLOCK", ROOT / "build" / "cellblock"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"<!-- policy reference.*?-->\n(.*?)<!-- end of policy reference -->", re.DOTALL)


def documents():
    return sorted(path for path in ROOT.rglob("*.md")
                  if not path.relative_to(ROOT).parts[0].startswith(("build", ".")))


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def anchors(path):
    """What GitHub makes of a document's headings."""
    titles = re.findall(r"^#+ +(.+)$", without_code(path.read_text()), re.MULTILINE)
    shown = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in shown}


def problem_of(path, link):
    """Why a link of a document leads nowhere, or None."""
    name, _, anchor = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    if not target.exists():
        return "there is no such file"
    if anchor and anchor not in anchors(target):
        return "no heading has that anchor"
    return None


def test_every_link_leads_somewhere():
    wrong = [f"{path.relative_to(ROOT)}: {link}: {problem}" for path in documents()
             for link in LINK.findall(without_code(path.read_text())) if not re.match(r"[a-z]+:", link)
             for problem in [problem_of(path, link)] if problem]
    assert not wrong, "\n".join(wrong)


def test_every_page_can_be_reached_from_the_readme():
    seen, left = set(), [ROOT / "README.md"]
    while left:
        path = left.pop()
        if path in seen or path.suffix != ".md" or not path.exists():
            continue
        seen.add(path)
        left += [(path.parent / link.partition("#")[0]).resolve() for link in LINK.findall(without_code(path.read_text()))
                 if not re.match(r"[a-z]+:|#", link)]
    unseen = [str(path.relative_to(ROOT)) for path in documents() if path not in seen]
    assert not unseen, "no page links to " + ", ".join(unseen)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md"])
def test_the_files_that_a_page_names_exist(page):
    named = re.findall(r"`((?:cmake|examples|kernel|sandbox|share|tests)/[\w./-]*)`", (ROOT / page).read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing, f"{page} names " + ", ".join(missing)


def test_the_commits_that_show_where_things_go_exist():
    named = re.findall(r"\b[0-9a-f]{7}\b", (ROOT / "CONTRIBUTING.md").read_text())
    if subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True,
                      check=False).stdout.strip() != "false":
        pytest.skip("this is no whole repository")
    missing = [name for name in named
               if subprocess.run(["git", "cat-file", "-e", name + "^{commit}"], cwd=ROOT, check=False, capture_output=True).returncode]
    assert named and not missing, missing


def test_the_policys_reference_is_what_the_program_prints():
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} isn't built")
    printed = subprocess.run([PROGRAM, "policy", "reference"], capture_output=True, text=True, check=True, timeout=60).stdout
    page = (ROOT / "sandbox/policy/README.md").read_text()
    assert REFERENCE.search(page)[1].strip() == printed.strip(), "put `cellblock policy reference` into sandbox/policy/README.md"
