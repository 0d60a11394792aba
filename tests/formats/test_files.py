"""Writing: a reader never meets half a file."""

import os
import stat
from pathlib import Path

import pytest

from podium.errors import SubmissionError, UsageError
from podium.formats.files import open_regular, replacing


def test_a_block_that_fails_leaves_the_old_file_and_no_draft(tmp_path):
    (tmp_path / "f").write_bytes(b"old")

    def fail() -> None:
        with replacing(tmp_path / "f") as stream:
            stream.write(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_block_that_ends_well_replaces_the_file(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    with replacing(tmp_path / "f") as stream:
        stream.write(b"new")
        assert (tmp_path / "f").read_bytes() == b"old"
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_new_file_has_the_mode_that_the_umask_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "f") as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_replacing_a_link_leaves_what_it_pointed_to(tmp_path):
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "f").symlink_to(tmp_path / "target")
    with replacing(tmp_path / "f") as stream:
        stream.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert (tmp_path / "f").read_bytes() == b"new"


def test_existing_files_folders_and_missing_parents_are_refused(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    for path, wanted in ((tmp_path / "f", "exists"), (tmp_path, "folder"), (tmp_path / "no" / "f", "does not exist")):
        with pytest.raises(UsageError, match=wanted), replacing(path, force=False):
            pytest.fail("the block ran")


def test_opening_leaves_no_descriptor_behind_when_it_refuses(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    (tmp_path / "big").write_bytes(b"x" * 100)
    for path in (tmp_path, tmp_path / "big", tmp_path / "none", tmp_path / ("x" * 300)):
        with pytest.raises(SubmissionError) as caught:
            open_regular(path, max_bytes=10)
        assert len(caught.value.problems) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_name_with_a_nul_is_refused(tmp_path):
    with pytest.raises(SubmissionError, match="cannot be opened"):
        open_regular(tmp_path / "a\0b")
