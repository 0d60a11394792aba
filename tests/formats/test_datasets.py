"""The folder of a data set."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from podium.errors import UsageError
from podium.formats import datasets


def test_a_data_set_begins_with_its_three_folders(tmp_path: Path) -> None:
    data = datasets.start(tmp_path / "new")
    assert sorted(each.name for each in data.root.iterdir()) == ["answers", "inputs", "public"]


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not an empty folder"):
        datasets.start(tmp_path)
    with pytest.raises(UsageError, match="is not an empty folder"):
        datasets.start(tmp_path / "file")


@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_the_folder_as_it_was(there: bool, tmp_path: Path) -> None:
    into = tmp_path / "into"
    if there:
        into.mkdir()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(into)
    assert into.exists() == there
    if there:
        assert not list(into.iterdir())


def test_a_link_shares_the_file_and_a_copy_is_made_where_links_are_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a"
    source.write_text("text")
    datasets.link(source, tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").stat().st_ino == source.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    datasets.link(source, tmp_path / "c")
    assert (tmp_path / "c").read_text() == "text"
    assert (tmp_path / "c").stat().st_ino != source.stat().st_ino


def _interrupted(into: Path) -> None:
    with datasets.starting(into) as data:
        (data.inputs / "half").write_text("")
        data.manifest.write_text("{}")
        raise KeyboardInterrupt
