"""Submission archives: equal folders give equal bytes, and an archive from an enemy leaves nothing behind."""

import contextlib
import os
import random
import shutil
import stat
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.errors import MachineError, SubmissionError, UsageError
from podium.formats import archives, zips
from podium.formats.archives import ArchiveLimits, PackedFile, pack, pack_tar_gz, unpack

MAIN = b"print('hello')\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "solution"
    (root / "assets").mkdir(parents=True)
    (root / "main.py").write_bytes(MAIN)
    (root / "assets" / "model.npz").write_bytes(bytes(range(256)) * 64)
    return root


def zip_with(path: Path, members: dict[str, bytes], *, main: bool = True) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        if main:
            archive.writestr("main.py", MAIN)
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def special(path: Path, name: str, mode: int, content: bytes = b"/etc/passwd") -> Path:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("main.py", MAIN)
        archive.writestr(info, content)
    return path


def refusal(archive: Path, into: Path, **options) -> list[str]:
    """What an archive is refused for; nothing may have been left anywhere near."""
    before = {each.name for each in into.parent.iterdir()}
    with pytest.raises(SubmissionError) as caught:
        unpack(archive, into, **options)
    assert {each.name for each in into.parent.iterdir()} == before
    assert not into.exists() or not list(into.iterdir())
    assert caught.value.problems
    return [str(each) for each in caught.value.problems]


def files_below(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_folder_survives_packing_and_unpacking(folder, tmp_path):
    packed = pack(folder, tmp_path / "s.zip")
    unpacked = unpack(tmp_path / "s.zip", tmp_path / "out")
    assert files_below(tmp_path / "out") == files_below(folder)
    assert packed.files == (
        PackedFile(name="assets/model.npz", size_bytes=16384),
        PackedFile(name="main.py", size_bytes=15),
    )
    assert unpacked.files == packed.files
    assert unpacked.digest == packed.digest
    assert packed.size_bytes == (tmp_path / "s.zip").stat().st_size
    assert zipfile.ZipFile(tmp_path / "s.zip").testzip() is None


def test_equal_folders_give_equal_bytes_whatever_their_dates_and_order(folder, tmp_path):
    first = pack(folder, tmp_path / "a.zip")
    twin = tmp_path / "twin"
    (twin / "assets").mkdir(parents=True)
    (twin / "assets" / "model.npz").write_bytes((folder / "assets" / "model.npz").read_bytes())
    (twin / "main.py").write_bytes(MAIN)
    os.utime(twin / "main.py", (10**9, 10**9))
    (twin / "main.py").chmod(0o600)
    second = pack(twin, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert first.digest == second.digest


def test_what_is_packed_already_is_stored(folder, tmp_path):
    (folder / "text.txt").write_text("abc" * 1000)
    pack(folder, tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.getinfo("assets/model.npz").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("text.txt").compress_type == zipfile.ZIP_DEFLATED
        assert archive.namelist() == ["assets/model.npz", "main.py", "text.txt"]


def test_caches_and_editors_files_are_left_out_and_named(folder, tmp_path):
    for name in ("__pycache__", ".git"):
        (folder / name).mkdir()
        (folder / name / "x").write_bytes(b"x")
    for name in (".DS_Store", "main.py~", ".main.py.swp", "._main.py"):
        (folder / name).write_bytes(b"x")
    (folder / ".venv").symlink_to("/usr")
    packed = pack(folder, tmp_path / "s.zip")
    assert {each.name for each in packed.files} == {"main.py", "assets/model.npz"}
    skipped = {".DS_Store", ".git/", ".main.py.swp", ".venv", "._main.py", "__pycache__/", "main.py~"}
    assert set(packed.skipped) == skipped


def test_an_archive_inside_its_own_folder_does_not_pack_itself(folder):
    into = folder / "submission.zip"
    first = pack(folder, into)
    second = pack(folder, into, force=True)
    assert first.digest == second.digest
    assert second.skipped == ("submission.zip",)


def test_an_archive_that_is_there_is_never_replaced_silently(folder, tmp_path):
    (tmp_path / "s.zip").write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        pack(folder, tmp_path / "s.zip")
    assert (tmp_path / "s.zip").read_bytes() == b"precious"
    pack(folder, tmp_path / "s.zip", force=True)
    assert zipfile.is_zipfile(tmp_path / "s.zip")


def test_every_fault_of_a_folder_is_told_at_once_and_no_archive_appears(folder, tmp_path):
    (folder / "main.py").unlink()
    (folder / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    (folder / "a:b").write_bytes(b"")
    (folder / "Assets").mkdir()
    (folder / "Assets" / "model.npz").write_bytes(b"")
    with pytest.raises(SubmissionError) as caught:
        pack(folder, tmp_path / "s.zip")
    text = "\n".join(str(each) for each in caught.value.problems)
    for wanted in (
        "`link.py`: this is a link",
        "`pipe`: this is a pipe",
        "colon",
        "collides with",
        "main.py: this file",
    ):
        assert wanted in text
    assert {each.name for each in tmp_path.iterdir()} == {"solution"}


def test_main_py_one_folder_down_is_hinted_at(tmp_path):
    (tmp_path / "work" / "src").mkdir(parents=True)
    (tmp_path / "work" / "src" / "main.py").write_bytes(MAIN)
    with pytest.raises(SubmissionError) as caught:
        pack(tmp_path / "work", tmp_path / "s.zip")
    assert "`src/main.py` lies one folder down: pack that folder" in str(caught.value.problems[0])
    outer = zip_with(tmp_path / "o.zip", {"work/main.py": MAIN}, main=False)
    assert "zip what is in the folder, not the folder" in refusal(outer, tmp_path / "out")[0]


def test_limits_hold_when_packing_too(folder, tmp_path):
    for limits, wanted in (
        (ArchiveLimits(files=1), "at most `1` are allowed"),
        (ArchiveLimits(file_bytes=100), "the file has `16.00 KiB`"),
        (ArchiveLimits(total_bytes=100), "all files have"),
        (ArchiveLimits(upload_bytes=100), "the archive has"),
        (ArchiveLimits(depth=1), "folders deep"),
        (ArchiveLimits(depth=0), "are over `0` deep"),
        (ArchiveLimits(name_characters=5), "at most `5` are allowed"),
    ):
        with pytest.raises(SubmissionError) as caught:
            pack(folder, tmp_path / "s.zip", limits=limits)
        assert any(wanted in str(each) for each in caught.value.problems), wanted
        assert not (tmp_path / "s.zip").exists()


def test_without_required_files_a_folder_of_predictions_packs(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "query_descriptors.npz").write_bytes(b"x")
    pack(tmp_path / "p", tmp_path / "s.zip", required=())
    assert unpack(tmp_path / "s.zip", tmp_path / "o", required=()).files[0].name == "query_descriptors.npz"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("../evil.py", "may not contain `..`"),
        ("a/../../evil.py", "may not contain `..`"),
        ("/etc/evil", "may not begin with `/`"),
        ("C:/evil.py", "colon"),
        ("a\\..\\evil.py", "backslash"),
        ("a//b", "empty part"),
        ("./b", "`.` or an empty part"),
        ("a\nb", "control characters"),
        ("a\x1b[31m", "control characters"),
        ("a\u202eyp.txt", "control characters"),
        ("d/" * 9 + "x", "folders deep"),
        ("x" * 201, "`201` characters"),
        ("é" * 150, "over `255` bytes"),
        ("main.py", "the name is there twice"),
        ("MAIN.py", "collides with `main.py`"),
        ("main.py/x", "collides with `main.py`"),
        ("main.py/", "collides with `main.py`"),
    ],
)
def test_a_name_that_leads_astray_is_refused(tmp_path, name, wanted):
    assert wanted in refusal(zip_with(tmp_path / "s.zip", {name: b""}), tmp_path / "out")[0]
    assert not (tmp_path / "evil.py").exists()


def test_accents_written_in_two_ways_collide(tmp_path):
    archive = zip_with(tmp_path / "s.zip", {"caf\u00e9": b"1", "cafe\u0301": b"2"})
    assert "collides with" in refusal(archive, tmp_path / "out")[0]


def test_a_nul_in_a_name_is_refused(tmp_path):
    path = zip_with(tmp_path / "s.zip", {"evilX.py": b"1"})
    path.write_bytes(path.read_bytes().replace(b"evilX.py", b"evil\0.py"))
    assert "control characters" in refusal(path, tmp_path / "out")[0]


def test_a_name_that_is_no_utf_8_is_refused(tmp_path):
    path = zip_with(tmp_path / "s.zip", {"evilX.py": b"1"})
    path.write_bytes(path.read_bytes().replace(b"evilX.py", b"evil\xff.py"))
    assert "not UTF-8" in refusal(path, tmp_path / "out")[0]


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (stat.S_IFLNK | 0o777, "this is a link"),
        (stat.S_IFIFO | 0o644, "a pipe, socket or device"),
        (stat.S_IFCHR | 0o666, "a pipe, socket or device"),
        (stat.S_IFBLK | 0o666, "a pipe, socket or device"),
        (stat.S_IFSOCK | 0o666, "a pipe, socket or device"),
        (stat.S_IFDIR | 0o755, "marked as a folder"),
    ],
)
def test_a_link_or_device_in_the_archive_is_refused(tmp_path, mode, wanted):
    assert wanted in refusal(special(tmp_path / "s.zip", "trap", mode), tmp_path / "out")[0]


def test_set_uid_bits_are_dropped_and_the_executable_bit_is_kept(tmp_path):
    unpack(special(tmp_path / "s.zip", "tool", stat.S_IFREG | 0o6777), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out" / "main.py").stat().st_mode) == 0o644


def test_an_encrypted_archive_is_refused(tmp_path):
    path = zip_with(tmp_path / "s.zip", {})
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert "encrypted" in refusal(path, tmp_path / "out")[0]


def test_an_odd_compression_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("main.py", MAIN)
    assert "method `14`" in refusal(tmp_path / "s.zip", tmp_path / "out")[0]


def test_a_bomb_that_tells_its_size_is_refused_before_a_byte_is_unpacked(tmp_path, monkeypatch):
    path = zip_with(tmp_path / "s.zip", {"zeros": bytes(64 << 20)})
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(archives, "entry_chunks", lambda *_: pytest.fail("something was unpacked"))
    found = refusal(path, tmp_path / "out", limits=ArchiveLimits(file_bytes=1 << 20, total_bytes=2 << 20))
    assert "`zeros`: the file has `64.00 MiB`; at most `1.00 MiB`" in found[0]
    assert "all files have" in found[1]


def test_a_bomb_that_lies_about_its_size_is_stopped_while_it_unpacks(tmp_path):
    path = zip_with(tmp_path / "s.zip", {"zeros": bytes(64 << 20)})
    raw = path.read_bytes().replace(struct.pack("<I", 64 << 20), struct.pack("<I", 1000))
    path.write_bytes(raw)
    assert "longer than the `1000` bytes" in refusal(path, tmp_path / "out")[0]


def test_a_wrong_checksum_is_refused(tmp_path):
    path = zip_with(tmp_path / "s.zip", {})
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"PK\x01\x02") + 16] ^= 1
    path.write_bytes(raw)
    assert "checksum" in refusal(path, tmp_path / "out")[0]


def overlapping(path: Path) -> Path:
    """Two names in the directory for one entry's bytes."""
    zip_with(path, {"aaaaaaa": b"1" * 50})
    raw = bytearray(path.read_bytes())
    first = raw.find(b"PK\x01\x02")
    second = raw.find(b"PK\x01\x02", first + 4)
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    raw[second + 46 : second + 53] = b"main.py"
    path.write_bytes(raw)
    return path


def test_entries_that_share_bytes_are_refused(tmp_path):
    assert "share bytes" in refusal(overlapping(tmp_path / "s.zip"), tmp_path / "out")[0]


def test_a_directory_that_disagrees_with_the_entries_is_refused(tmp_path):
    path = zip_with(tmp_path / "s.zip", {"other.py": b""})
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"other.py")
    raw[at : at + 8] = b"0ther.py"
    path.write_bytes(raw)
    assert "disagree" in refusal(path, tmp_path / "out")[0]


def test_too_many_entries_are_refused_from_the_end_record_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "_parse_entry", lambda *_: pytest.fail("an entry was read"))
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for index in range(3000):
            archive.writestr(f"{index}", b"")
    found = refusal(tmp_path / "s.zip", tmp_path / "out", limits=ArchiveLimits(files=2000))
    assert "has `3000` entries; at most `2000` are allowed" in found[0]


def test_an_end_record_that_hides_entries_is_refused(tmp_path):
    path = zip_with(tmp_path / "s.zip", {"b": b"", "c": b""})
    raw = bytearray(path.read_bytes())
    end = raw.rfind(b"PK\x05\x06")
    for count, wanted in ((1, "claims `1` entries and has more"), (9, "claims `9` entries and has `3`")):
        raw[end + 8 : end + 12] = struct.pack("<HH", count, count)
        path.write_bytes(raw)
        assert wanted in refusal(path, tmp_path / "out")[0]


def test_what_is_no_archive_is_refused(tmp_path):
    whole = zip_with(tmp_path / "w.zip", {"b": b"x" * 100}).read_bytes()
    for content, wanted in (
        (b"", "this is no zip archive"),
        (b"hello", "this is no zip archive"),
        (whole[:-30], "cut off"),
        (whole[: len(whole) // 2], "cut off"),
        (b"#!/bin/sh\n" + whole, "not where its end record says"),
        (whole + b"trailing", "cut off"),
    ):
        path = tmp_path / "s.zip"
        path.write_bytes(content)
        assert wanted in refusal(path, tmp_path / "out")[0]
        path.unlink()


def test_links_and_missing_archives_are_refused(tmp_path):
    zip_with(tmp_path / "real.zip", {})
    (tmp_path / "link.zip").symlink_to(tmp_path / "real.zip")
    assert "this is a link" in refusal(tmp_path / "link.zip", tmp_path / "out")[0]
    assert "missing" in refusal(tmp_path / "none.zip", tmp_path / "out")[0]


def test_an_upload_over_its_size_is_not_read(tmp_path):
    path = zip_with(tmp_path / "s.zip", {})
    assert "at most `10 bytes`" in refusal(path, tmp_path / "out", limits=ArchiveLimits(upload_bytes=10))[0]


def test_all_faults_of_an_archive_are_told_and_the_list_stays_short(tmp_path):
    path = zip_with(tmp_path / "s.zip", {f"../{index}": b"" for index in range(200)}, main=False)
    found = refusal(path, tmp_path / "out")
    assert len(found) == 51
    assert "`151` more problems are not listed" in found[-1]


def test_a_folder_that_holds_something_is_not_unpacked_into(folder, tmp_path):
    pack(folder, tmp_path / "s.zip")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"precious")
    with pytest.raises(UsageError, match="not an empty folder"):
        unpack(tmp_path / "s.zip", tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "solution")
    with pytest.raises(UsageError, match="not an empty folder"):
        unpack(tmp_path / "s.zip", tmp_path / "link")
    assert files_below(tmp_path / "out") == {"mine": b"precious"}


def test_an_empty_folder_is_filled_and_emptied_again_on_refusal(tmp_path):
    path = zip_with(tmp_path / "s.zip", {"a/b/c": b"x" * 100, "a/late": b"y" * 100})
    raw = bytearray(path.read_bytes())
    raw[raw.rfind(b"PK\x01\x02") + 16] ^= 1
    path.write_bytes(raw)
    (tmp_path / "out").mkdir()
    assert "checksum" in refusal(path, tmp_path / "out")[0]
    assert (tmp_path / "out").is_dir()


def test_a_full_disk_is_the_machines_fault(folder, tmp_path, monkeypatch):
    pack(folder, tmp_path / "s.zip")
    real = os.fstatvfs(os.open(tmp_path, os.O_RDONLY))
    full = os.statvfs_result([*list(real)[:4], 0, *list(real)[5:]])
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: full)
    with pytest.raises(MachineError, match="are free"):
        unpack(tmp_path / "s.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archives_of_other_tools_are_read(tmp_path):
    """With folder entries, 64-bit records, data descriptors, no Unix modes and a comment."""
    with (tmp_path / "s.zip").open("wb") as raw:

        class Pipe:
            def write(self, data):
                return raw.write(data)

            def flush(self):
                raw.flush()

        with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = b"made by hand PK\x05\x06"
            archive.mkdir("assets")
            archive.writestr("main.py", MAIN)
            with archive.open("assets/größe.txt", "w", force_zip64=True) as member:
                member.write(b"x" * 100_000)
            dos = zipfile.ZipInfo("dos.txt")
            dos.create_system = 0
            archive.writestr(dos, b"1")
    unpacked = unpack(tmp_path / "s.zip", tmp_path / "out")
    assert [each.name for each in unpacked.files] == ["assets/größe.txt", "dos.txt", "main.py"]
    assert (tmp_path / "out" / "assets" / "größe.txt").read_bytes() == b"x" * 100_000


def test_64_bit_records_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("main.py", MAIN)
        archive.writestr("big", b"x" * 500)
        archive.writestr("after", b"y")
    monkeypatch.undo()
    assert b"PK\x06\x06" in (tmp_path / "s.zip").read_bytes()
    unpack(tmp_path / "s.zip", tmp_path / "out")
    assert (tmp_path / "out" / "big").read_bytes() == b"x" * 500
    assert (tmp_path / "out" / "after").read_bytes() == b"y"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), changes=st.integers(1, 5), cut=st.booleans())
def test_no_damage_gives_anything_but_a_refusal_or_the_true_files(folder, tmp_path, seed, changes, cut):
    rng = random.Random(seed)
    whole = tmp_path / "whole.zip"
    if not whole.exists():
        (folder / "text.txt").write_text("abc" * 100)
        pack(folder, whole)
    raw = bytearray(whole.read_bytes())
    interesting = [*range(200), *range(len(raw) - 400, len(raw))]
    for _ in range(changes):
        raw[rng.choice(interesting)] = rng.randrange(256)
    bad = tmp_path / "bad.zip"
    bad.write_bytes(raw[: rng.randrange(len(raw))] if cut else raw)
    into = tmp_path / "out"
    shutil.rmtree(into, ignore_errors=True)
    with contextlib.suppress(SubmissionError):
        unpack(bad, into)
        assert set(files_below(into).values()) <= set(files_below(folder).values())
        return
    assert not into.exists()


def test_a_tar_of_results_has_the_same_bytes_each_time(tmp_path):
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    (tmp_path / "two.csv").write_bytes(b"")
    files = {"full_rankings.csv": tmp_path / "one.csv", "subset_rankings.csv": tmp_path / "two.csv"}
    first = pack_tar_gz(files, tmp_path / "submission.tar.gz")
    os.utime(tmp_path / "one.csv", (1, 1))
    second = pack_tar_gz(dict(reversed(files.items())), tmp_path / "again.tar.gz")
    assert (tmp_path / "submission.tar.gz").read_bytes() == (tmp_path / "again.tar.gz").read_bytes()
    assert first.digest == second.digest
    assert [each.name for each in first.files] == ["full_rankings.csv", "subset_rankings.csv"]
    assert first.size_bytes == (tmp_path / "submission.tar.gz").stat().st_size
    with tarfile.open(tmp_path / "submission.tar.gz") as archive:
        assert archive.getnames() == list(files)
        assert archive.extractfile("full_rankings.csv").read() == b"a,b\n1,2\n"
        assert archive.getmember("full_rankings.csv").mtime == 0


def test_a_tar_refuses_links_bad_names_and_existing_files(tmp_path):
    (tmp_path / "one.csv").write_text("a")
    (tmp_path / "link.csv").symlink_to(tmp_path / "one.csv")
    with pytest.raises(SubmissionError, match="link"):
        pack_tar_gz({"a.csv": tmp_path / "link.csv"}, tmp_path / "s.tar.gz")
    with pytest.raises(SubmissionError, match="cannot be packed"):
        pack_tar_gz({"../a.csv": tmp_path / "one.csv"}, tmp_path / "s.tar.gz")
    assert not (tmp_path / "s.tar.gz").exists()
    pack_tar_gz({"a.csv": tmp_path / "one.csv"}, tmp_path / "s.tar.gz")
    with pytest.raises(UsageError, match="exists already"):
        pack_tar_gz({"a.csv": tmp_path / "one.csv"}, tmp_path / "s.tar.gz")
