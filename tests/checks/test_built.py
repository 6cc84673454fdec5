"""The files that were built: each protection of cmake/hardening.cmake is there, in the programs and the jail library."""

import os
import pathlib
import platform
import re
import subprocess

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CELLBLOCK", REPO / "build" / "cellblock"))
ENDBR64 = b"\xf3\x0f\x1e\xfa"  # where -fcf-protection lets an indirect jump land
PACIASP = b"\x3f\x23\x03\xd5"  # -mbranch-protection: a return address is signed


def file_of_ours(name):
    if name == "cellblock":
        return PROGRAM
    beside = PROGRAM.parent / name
    return beside if beside.exists() else PROGRAM.parent.parent / "lib/cellblock" / name


def readelf(path, *options):
    return subprocess.run(["readelf", "--wide", *options, path], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(params=["cellblock", "libcellblock_jail.so", "cellblock-warden", "cellblock-helper"])
def built(request):
    path = file_of_ours(request.param)
    if not path.exists():
        pytest.skip(f"{path} isn't built")
    return path


def test_it_may_be_loaded_at_any_address(built):
    assert re.search(r"Type:\s+DYN", readelf(built, "--file-header"))
    if built.name != "libcellblock_jail.so":
        assert re.search(r"\(FLAGS_1\).*\bPIE\b", readelf(built, "--dynamic"))


def test_its_stack_holds_no_code_and_no_segment_is_both_writable_and_executable(built):
    segments = readelf(built, "--program-headers")
    assert re.search(r"GNU_STACK( +0x\w+){5} RW +0x", segments), segments
    assert not re.search(r"LOAD .* RWE ", segments), segments


def test_its_tables_of_addresses_are_resolved_at_start_and_then_read_only(built):
    dynamic = readelf(built, "--dynamic")
    assert re.search(r"\(FLAGS\).*\bBIND_NOW\b", dynamic) and re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic), dynamic
    assert "GNU_RELRO" in readelf(built, "--program-headers")


def test_its_functions_watch_their_stack_frames_and_the_sizes_of_what_they_write(built):
    symbols = readelf(built, "--syms")  # the warden is static, so its table of symbols is gone where it was stripped
    if built.name == "cellblock-warden" and "main" not in symbols:
        pytest.skip("the warden was stripped")
    assert "__stack_chk_fail" in symbols
    assert re.search(r"\b__\w+_chk\b", symbols.replace("__stack_chk_fail", "")), symbols


def test_its_functions_are_marked_as_targets_of_indirect_calls(built):
    mark = {"x86_64": ENDBR64, "aarch64": PACIASP}.get(platform.machine())
    if mark is None:
        pytest.skip(f"{platform.machine()} has no such mark")
    assert built.read_bytes().count(mark) > 50


def test_it_asserts_what_the_standard_library_takes_for_granted(built):
    """_GLIBCXX_ASSERTIONS leaves its conditions in the file, as text."""
    assert b"__n < this->size()" in built.read_bytes()
