"""Digests and manifests: what has changed is named, and what has not is not."""

import hashlib
import os
from pathlib import Path

import pytest

from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats.digests import (
    check_manifest,
    digest_file,
    digest_folder,
    digest_manifest,
    make_manifest,
    read_manifest,
    write_manifest,
)


@pytest.fixture
def data(tmp_path) -> Path:
    root = tmp_path / "data"
    (root / "public" / "query").mkdir(parents=True)
    (root / "answers").mkdir()
    (root / "public" / "query" / "Q100001.mp4").write_bytes(b"x" * 3_000_000)
    (root / "answers" / "truth.csv").write_text("query_id,ref_id\n")
    (root / "empty").write_bytes(b"")
    return root


def test_a_files_digest_is_its_sha256(tmp_path):
    for size in (0, 1, (1 << 20) + 1):
        (tmp_path / "f").write_bytes(b"a" * size)
        assert digest_file(tmp_path / "f") == f"sha256:{hashlib.sha256(b'a' * size).hexdigest()}"


def test_a_folders_digest_depends_on_names_and_content_only(data, tmp_path):
    before = digest_folder(data)
    os.utime(data / "empty", (1, 1))
    (data / "hollow").mkdir()
    assert digest_folder(data) == before == digest_manifest(make_manifest(data))
    (data / "empty").rename(data / "renamed")
    renamed = digest_folder(data)
    assert renamed != before
    (data / "renamed").rename(data / "empty")
    (data / "answers" / "truth.csv").write_text("query_id,ref_id \n")
    assert digest_folder(data) not in (before, renamed)


def test_moving_bytes_from_a_name_into_a_file_changes_the_digest(tmp_path):
    for name, files in (("one", {"a": b"b"}), ("two", {"ab": b""})):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
    assert digest_folder(tmp_path / "one") != digest_folder(tmp_path / "two")


def test_an_untouched_folder_has_no_problems(data):
    manifest = write_manifest(data)
    assert sorted(manifest.files) == ["answers/truth.csv", "empty", "public/query/Q100001.mp4"]
    assert read_manifest(data / "manifest.json") == manifest
    assert check_manifest(data) == ()
    assert check_manifest(data, data / "manifest.json") == ()


def test_writing_a_manifest_again_gives_the_same_bytes(data):
    write_manifest(data)
    first = (data / "manifest.json").read_bytes()
    write_manifest(data)
    assert (data / "manifest.json").read_bytes() == first


def test_a_manifest_may_lie_elsewhere(data, tmp_path):
    write_manifest(data, tmp_path / "m.json")
    assert check_manifest(data, tmp_path / "m.json") == ()
    (data / "manifest.json").write_text("{}")
    assert [each.place for each in check_manifest(data, tmp_path / "m.json")] == ["data manifest.json"]


def test_missing_new_and_changed_files_are_all_named(data):
    write_manifest(data)
    (data / "empty").unlink()
    (data / "new").write_bytes(b"1")
    (data / "answers" / "truth.csv").write_text("query_id,ref_id\nQ100001,R100001\n")
    (data / "public" / "query" / "Q100001.mp4").write_bytes(b"x" * 2_999_999 + b"y")
    found = {each.place: each.message for each in check_manifest(data)}
    assert "missing" in found["data empty"]
    assert "does not list" in found["data new"]
    assert "the file has `32` bytes; the manifest says `16`" in found["data answers/truth.csv"]
    assert "the content has changed" in found["data public/query/Q100001.mp4"]
    assert len(found) == 4


def test_sizes_only_does_not_read_the_files(data):
    write_manifest(data)
    (data / "public" / "query" / "Q100001.mp4").write_bytes(b"y" * 3_000_000)
    assert check_manifest(data, sizes_only=True) == ()
    (data / "empty").write_bytes(b"1")
    assert [each.place for each in check_manifest(data, sizes_only=True)] == ["data empty"]


def test_links_are_refused_unless_they_are_followed(data, tmp_path):
    (tmp_path / "video").write_bytes(b"v")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "file").write_bytes(b"m")
    (data / "link").symlink_to(tmp_path / "video")
    (data / "folder").symlink_to(tmp_path / "more")
    with pytest.raises(SubmissionError, match="this is a link"):
        digest_folder(data)
    manifest = write_manifest(data, follow_links=True)
    assert {"link", "folder/file"} <= set(manifest.files)
    assert check_manifest(data, follow_links=True) == ()
    assert "this is a link" in str(check_manifest(data)[0])


def test_links_that_go_round_in_a_circle_end(data):
    (data / "round").symlink_to(data)
    with pytest.raises(SubmissionError, match="deep"):
        digest_folder(data, follow_links=True)


def test_pipes_are_refused(data):
    os.mkfifo(data / "pipe")
    with pytest.raises(SubmissionError, match="a pipe, socket or device"):
        digest_folder(data)


def test_a_missing_folder_or_a_broken_manifest_is_told(tmp_path, data):
    with pytest.raises(UsageError, match="does not exist"):
        digest_folder(tmp_path / "none")
    with pytest.raises(ChallengeError, match="missing"):
        check_manifest(data)
    for content in ("", "{", "[]", '{"schema":1}', '{"schema":2,"files":{}}'):
        (data / "manifest.json").write_text(content)
        with pytest.raises(ChallengeError, match=r"manifest\.json"):
            check_manifest(data)


def test_progress_sees_every_file(data):
    seen = []

    def watch(steps, *, what, total=None):
        seen.append(total)
        yield from steps

    digest_folder(data, progress=watch)
    assert seen == [3]
