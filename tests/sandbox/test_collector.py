from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.sandbox.collector import Collection, collect, matches
from podium.types import Failure, Limits


@pytest.fixture
def take(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "work").mkdir()
    fd = os.open(tmp_path / "work", os.O_RDONLY | os.O_DIRECTORY)

    def start(*wanted: str, **changes: int) -> Collection:
        values = {"wall_seconds": 1, "memory_bytes": 1, "output_bytes": 100, "output_files": 10}
        return collect(fd, wanted, tmp_path / "out", Limits(**(values | changes)))

    yield start
    os.close(fd)


def test_wanted_files_are_copied_with_their_digest(take: Any, tmp_path: Path) -> None:
    (tmp_path / "work" / "submission").mkdir()
    (tmp_path / "work" / "submission" / "a.csv").write_text("id,score\n")
    (tmp_path / "work" / "other").write_text("not wanted")
    taken = take("submission/a.csv")
    assert taken.failure is None
    assert (tmp_path / "out" / "submission" / "a.csv").read_text() == "id,score\n"
    assert taken.files[0].digest == f"sha256:{hashlib.sha256(b'id,score' + bytes([10])).hexdigest()}"
    assert not (tmp_path / "out" / "other").exists()


def test_a_pattern_takes_every_match_in_order(take: Any, tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / "work" / name).mkdir()
        for number in (2, 1):
            (tmp_path / "work" / name / f"{number}.png").write_text(name)
        (tmp_path / "work" / name / "notes.txt").write_text("")
    assert [each.name for each in take("*/*.png").files] == ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]


def test_every_missing_name_is_told_at_once(take: Any) -> None:
    taken = take("a.csv", "b/*.png")
    assert taken.failure is Failure.MISSING_OUTPUT
    assert "`a.csv`" in taken.message
    assert "`b/*.png`" in taken.message


def test_the_cap_is_over_all_outputs_together(take: Any, tmp_path: Path) -> None:
    (tmp_path / "work" / "a").write_bytes(bytes(60))
    (tmp_path / "work" / "b").write_bytes(bytes(41))
    taken = take("a", "b")
    assert taken.failure is Failure.INVALID_OUTPUT
    assert "`b` has `41` bytes" in taken.message
    (tmp_path / "out" / "a").unlink()
    assert take("a", "b", output_bytes=101).failure is None


def test_only_so_many_entries_are_looked_at(take: Any, tmp_path: Path) -> None:
    for number in range(11):
        (tmp_path / "work" / f"{number}.txt").touch()
    assert take("*.png").failure is Failure.INVALID_OUTPUT
    assert take("*.png", output_files=11).failure is Failure.MISSING_OUTPUT


@pytest.mark.parametrize("name", ["new\nline.png", "-rf.png", "x" * 201 + ".png", "esc\x1b.png"])
def test_indecent_names_are_refused(take: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "work" / name).touch()
    taken = take("*.png")
    assert taken.failure is Failure.INVALID_OUTPUT
    assert taken.message.isprintable()


def test_a_name_that_is_no_utf8_is_refused(take: Any, tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path / "work") + b"/\xff.png"))).touch()
    assert take("*.png").failure is Failure.INVALID_OUTPUT


@pytest.mark.parametrize("kind", ["link", "linked folder", "fifo", "socket", "folder", "hard link"])
def test_only_plain_files_with_one_name_are_taken(
    take: Any, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "out.csv").write_text("secret")
    wanted = "out.csv"
    if kind == "link":
        (work / "out.csv").symlink_to(tmp_path / "outside" / "out.csv")
    elif kind == "linked folder":
        (work / "sub").symlink_to(tmp_path / "outside")
        wanted = "sub/out.csv"
    elif kind == "fifo":
        os.mkfifo(work / "out.csv")
    elif kind == "socket":
        monkeypatch.chdir(work)
        socket.socket(socket.AF_UNIX).bind("out.csv")
    elif kind == "folder":
        (work / "out.csv").mkdir()
    else:
        os.link(tmp_path / "outside" / "out.csv", work / "out.csv")
    taken = take(wanted)
    assert taken.failure is Failure.INVALID_OUTPUT
    assert taken.files == ()
    assert not (tmp_path / "out" / wanted).exists()


def test_an_existing_file_of_the_host_is_never_overwritten(take: Any, tmp_path: Path) -> None:
    (tmp_path / "work" / "a").write_text("theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("ours")
    with pytest.raises(FileExistsError):
        take("a")
    assert (tmp_path / "out" / "a").read_text() == "ours"


@given(name=st.text(st.characters(codec="ascii", exclude_characters="/*?[]"), min_size=1))
def test_a_name_without_wildcards_matches_itself_alone(name: str) -> None:
    assert matches(name, (name,))
    assert not matches(f"{name}x", (name,))
    assert not matches(f"folder/{name}", (name, "*"))
