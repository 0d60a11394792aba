from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from podium.errors import UsageError
from podium.sandbox.workdir import BOUND_FILES, COPIED_BYTES, DoesNotFitError, fill, survey


def test_small_files_are_copied_big_ones_bound_and_old_outputs_left_out(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "main.py").write_text("x")
    (tmp_path / "model" / "big").write_bytes(bytes(COPIED_BYTES + 1))
    (tmp_path / "model" / "edge").write_bytes(bytes(COPIED_BYTES))
    (tmp_path / "out.npz").write_bytes(bytes(COPIED_BYTES + 1))
    layout = survey(tmp_path, ("out.npz", "masks/deep/*.png"))
    assert layout.copied == ("main.py", "model/edge")
    assert layout.bound == ("model/big",)
    assert layout.left_out == ("out.npz",)
    assert layout.folders == ("empty", "model", "masks", "masks/deep")


def test_too_many_big_files_are_copied(tmp_path: Path) -> None:
    for number in range(BOUND_FILES + 1):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(COPIED_BYTES + 1)
    layout = survey(tmp_path, ())
    assert layout.bound == ()
    assert len(layout.copied) == BOUND_FILES + 1


def test_what_lies_under_a_mount_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "file").touch()
    layout = survey(tmp_path, (), ("data",))
    assert (layout.folders, layout.copied, layout.left_out) == ((), (), ("data",))


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_anything_but_files_and_folders_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "link":
        (tmp_path / "odd").symlink_to("/etc/passwd")
    else:
        os.mkfifo(tmp_path / "odd")
    with pytest.raises(UsageError, match="odd"):
        survey(tmp_path, ())


def test_a_layout_is_made_with_its_contents_and_rights(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "a").mkdir(parents=True)
    target.mkdir()
    (source / "a" / "text").write_text("hello")
    (source / "tool").write_text("#!/bin/sh\n")
    (source / "tool").chmod(0o700)
    fd = os.open(target, os.O_RDONLY)
    fill(survey(source, ("out/x.csv",)), source, fd, None)
    os.close(fd)
    assert (target / "a" / "text").read_text() == "hello"
    assert (target / "a" / "text").stat().st_mode & 0o777 == 0o644
    assert (target / "tool").stat().st_mode & 0o777 == 0o755
    assert (target / "out").is_dir()


def test_files_that_do_not_fit_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "source" / "main.py").write_text("x")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    fd = os.open(tmp_path / "target", os.O_RDONLY)
    with pytest.raises(DoesNotFitError):
        fill(survey(tmp_path / "source", ()), tmp_path / "source", fd, None)
    os.close(fd)
