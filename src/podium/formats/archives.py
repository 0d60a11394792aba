"""Submission archives: packed so that the same folder gives the same bytes, and unpacked as if from an enemy."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from podium.errors import MachineError, SubmissionError, UsageError
from podium.formats.digests import digest_stream
from podium.formats.faults import Faults, shown, sized
from podium.formats.files import open_regular, replacing
from podium.formats.names import collisions, name_fault
from podium.formats.zips import Entry, entry_chunks, read_directory
from podium.types import Progress, silent

_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 1 << 20
_PACKED_ALREADY = frozenset(
    {".npz", ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".whl", ".safetensors", ".pt", ".pth"}
    | {".jpg", ".jpeg", ".png", ".webp", ".gif", ".mp4", ".mkv", ".webm", ".mov"}
)
_SKIPPED_NAMES = frozenset(
    {"__pycache__", ".git", ".hg", ".svn", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    | {".DS_Store", "__MACOSX", ".idea", ".vscode", "Thumbs.db", "desktop.ini"}
)
_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".swp", ".swo", "~")
_SKIPPED_PREFIXES = ("._", ".#")


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """How large a submission may be.

    Attributes:
        total_bytes: All files together, unpacked.
        file_bytes: Each file, unpacked.
        files: Entries of the archive, folders included.
        name_characters: Of a name with its folders.
        depth: Folders within folders, the file included.
        upload_bytes: The archive itself.
    """

    total_bytes: int = 8 << 30
    file_bytes: int = 6 << 30
    files: int = 10_000
    name_characters: int = 200
    depth: int = 8
    upload_bytes: int = 8 << 30


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """One file of a submission; `name` has ``/`` between folders."""

    name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed or unpacked.

    Attributes:
        path: The archive that was made, or the folder that was filled.
        digest: Of the archive, ``sha256:…``.
        size_bytes: Of the archive.
        files: In the order of their names.
        skipped: What was left out when packing, folders with a ``/`` at the end.
    """

    path: Path
    digest: str
    size_bytes: int
    files: tuple[PackedFile, ...]
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    name: str
    path: Path
    size_bytes: int
    executable: bool


def pack(
    folder: Path,
    into: Path,
    *,
    required: Sequence[str] = ("main.py",),
    limits: ArchiveLimits | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Packed:
    """Zips a submission's folder; the same files give the same bytes, whatever their dates and order on the disk.

    Caches, version control and editors' files are left out and named in the result.

    Args:
        folder: With ``main.py`` at its root.
        into: The archive to make; appears only when it is complete.
        required: Names that must be there.
        limits: The same that `unpack` will hold it to.
        force: Replace an archive that is there.
        progress: Shows the walk over the files.

    Raises:
        UsageError: The folder is missing, or `into` exists and `force` is off.
        SubmissionError: A link, pipe or bad name is there, something is missing or too large; carries every problem.
    """
    limits = limits or ArchiveLimits()
    if not folder.is_dir():
        raise UsageError(f"the folder `{folder}` does not exist")
    if not force and os.path.lexists(into):
        raise UsageError(f"`{into}` exists already; choose another name, or ask for it to be replaced")
    faults = Faults(folder.name or str(folder))
    walk = _Walk(faults=faults, max_depth=limits.depth, output=into.lstat() if into.exists() else None)
    found = sorted(walk.below(folder, ""), key=lambda each: each.name)
    _check_sizes([(each.name, each.size_bytes) for each in found], faults, limits)
    _check_names([each.name for each in found], faults, limits)
    _check_required([each.name for each in found], required, faults, f"pack that folder instead of `{folder.name}`")
    if faults.refused:
        raise SubmissionError(f"`{folder}` cannot be packed", faults.problems)
    with replacing(into, force=force) as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            for each in progress(found, what="packing", total=len(found)):
                _add(archive, each)
        size_bytes = stream.tell()
        if size_bytes > limits.upload_bytes:
            faults.add("", f"the archive has {sized(size_bytes)}; at most {sized(limits.upload_bytes)} are allowed")
            raise SubmissionError(f"`{folder}` cannot be packed", faults.problems)
        stream.flush()
        digest = digest_stream(stream)
    files = tuple(PackedFile(name=each.name, size_bytes=each.size_bytes) for each in found)
    return Packed(path=into, digest=digest, size_bytes=size_bytes, files=files, skipped=tuple(sorted(walk.skipped)))


def unpack(
    archive: Path,
    into: Path,
    *,
    limits: ArchiveLimits | None = None,
    required: Sequence[str] = ("main.py",),
    progress: Progress = silent,
) -> Packed:
    """Unpacks a submission that nobody has looked at yet; when it is refused, nothing of it stays.

    Args:
        archive: A zip file.
        into: A folder that is empty or does not exist yet.
        limits: What is accepted; bytes are counted again while they are written.
        required: Names that must be there.
        progress: Shows the walk over the files.

    Raises:
        UsageError: `into` is not empty.
        SubmissionError: The archive breaks a rule; carries every problem, 50 at most.
        MachineError: The disk is too small.
    """
    limits = limits or ArchiveLimits()
    faults = Faults(archive.name)
    if into.is_symlink() or (into.exists() and (not into.is_dir() or any(into.iterdir()))):
        raise UsageError(f"`{into}` is there already and not an empty folder")
    try:
        with open_regular(archive, max_bytes=limits.upload_bytes) as stream:
            entries = read_directory(stream, max_entries=limits.files)
            _check_entries(entries, faults, limits, required)
            if not faults.refused:
                _extract(stream, entries, into, faults, progress)
            if not faults.refused:
                return _describe(stream, entries, into)
    except SubmissionError as error:
        faults.extend(error)
    raise SubmissionError(f"`{archive.name}` is refused", faults.problems)


def _describe(stream: BinaryIO, entries: Sequence[Entry], into: Path) -> Packed:
    files = sorted((each.name, each.size_bytes) for each in entries if not each.is_folder)
    return Packed(
        path=into,
        digest=digest_stream(stream),
        size_bytes=os.fstat(stream.fileno()).st_size,
        files=tuple(PackedFile(name=name, size_bytes=size) for name, size in files),
    )


def pack_tar_gz(files: Mapping[str, Path], into: Path, *, force: bool = False) -> Packed:
    """Packs files under given names as ``.tar.gz``; the same content gives the same bytes.

    Args:
        files: Name in the archive to the file on disk.
        into: The archive to make; appears only when it is complete.
        force: Replace an archive that is there.

    Raises:
        UsageError: `into` exists and `force` is off.
        SubmissionError: A file is missing or a link, or a name is not allowed.
    """
    faults = Faults(into.name)
    _check_names(sorted(files), faults, ArchiveLimits())
    if faults.refused:
        raise SubmissionError(f"`{into.name}` cannot be packed", faults.problems)
    packed: list[PackedFile] = []
    with replacing(into, force=force) as stream:
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=stream, mtime=0) as squeezed,
            tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, path in sorted(files.items()):
                with open_regular(path) as content:
                    info = tarfile.TarInfo(name)
                    info.size = os.fstat(content.fileno()).st_size
                    archive.addfile(info, content)
                packed.append(PackedFile(name=name, size_bytes=info.size))
        stream.flush()
        size_bytes = stream.seek(0, os.SEEK_END)
        digest = digest_stream(stream)
    return Packed(path=into, digest=digest, size_bytes=size_bytes, files=tuple(packed))


@dataclass(kw_only=True)
class _Walk:
    """Finds the files to pack; links and special files are faults."""

    faults: Faults
    max_depth: int
    output: os.stat_result | None
    skipped: list[str] = field(default_factory=list[str])

    def below(self, folder: Path, prefix: str) -> Iterator[_Found]:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        for entry in entries:
            name = prefix + entry.name
            found = entry.stat(follow_symlinks=False)
            is_folder = stat.S_ISDIR(found.st_mode)
            if _is_skipped(entry.name) or (self.output is not None and os.path.samestat(found, self.output)):
                self.skipped.append(f"{name}/" if is_folder else name)
            elif stat.S_ISLNK(found.st_mode):
                self.faults.add(shown(name), "this is a link", hint="put the file itself there")
            elif is_folder and prefix.count("/") >= self.max_depth:
                self.faults.add(shown(name), f"folders are over `{self.max_depth}` deep")
            elif is_folder:
                yield from self.below(Path(entry.path), f"{name}/")
            elif stat.S_ISREG(found.st_mode):
                yield _Found(name, Path(entry.path), found.st_size, bool(found.st_mode & stat.S_IXUSR))
            else:
                self.faults.add(shown(name), "this is a pipe, socket or device; only plain files can be packed")


def _is_skipped(name: str) -> bool:
    return name in _SKIPPED_NAMES or name.endswith(_SKIPPED_SUFFIXES) or name.startswith(_SKIPPED_PREFIXES)


def _add(archive: zipfile.ZipFile, each: _Found) -> None:
    info = zipfile.ZipInfo(each.name, date_time=_DATE)
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | (0o755 if each.executable else 0o644)) << 16
    stored = Path(each.name).suffix.lower() in _PACKED_ALREADY
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    info.file_size = each.size_bytes
    with open_regular(each.path) as source, archive.open(info, "w") as target:
        copied = 0
        while chunk := source.read(_CHUNK_BYTES):
            copied += len(chunk)
            target.write(chunk)
    if copied != each.size_bytes:
        raise UsageError(f"`{each.path}` changed while it was packed")


def _check_names(names: Sequence[str], faults: Faults, limits: ArchiveLimits) -> None:
    for name in names:
        fault = name_fault(name, max_characters=limits.name_characters, max_depth=limits.depth)
        if fault is not None:
            faults.add(shown(name), fault)
    for name, earlier in collisions(names):
        same = "the name is there twice" if name == earlier else f"the name collides with {shown(earlier)}"
        faults.add(shown(name), same)


def _check_sizes(files: Sequence[tuple[str, int]], faults: Faults, limits: ArchiveLimits) -> None:
    if len(files) > limits.files:
        faults.add("", f"there are `{len(files)}` files; at most `{limits.files}` are allowed")
    for name, size_bytes in files:
        if size_bytes > limits.file_bytes:
            faults.add(shown(name), f"the file has {sized(size_bytes)}; at most {sized(limits.file_bytes)} are allowed")
    total = sum(size_bytes for _, size_bytes in files)
    if total > limits.total_bytes:
        faults.add("", f"all files have {sized(total)}; at most {sized(limits.total_bytes)} are allowed")


def _check_required(names: Sequence[str], required: Sequence[str], faults: Faults, advice: str) -> None:
    for wanted in required:
        if wanted in names:
            continue
        deeper = next((name for name in names if name.count("/") == 1 and name.endswith(f"/{wanted}")), None)
        hint = f"{shown(deeper)} lies one folder down: {advice}" if deeper else ""
        faults.add(wanted, "this file is missing at the root of the submission", hint=hint)


def _check_entries(entries: Sequence[Entry], faults: Faults, limits: ArchiveLimits, required: Sequence[str]) -> None:
    for entry in entries:
        if not entry.name_is_text:
            faults.add(shown(entry.name), "the name is not UTF-8")
        if entry.fault is not None:
            faults.add(shown(entry.name), entry.fault)
    names = [entry.name for entry in entries]
    _check_names(names, faults, limits)
    _check_sizes([(entry.name, entry.size_bytes) for entry in entries], faults, limits)
    _check_required(names, required, faults, "zip what is in the folder, not the folder")


def _extract(stream: BinaryIO, entries: Sequence[Entry], into: Path, faults: Faults, progress: Progress) -> None:
    """Writes every entry below `into`, and takes all of it away again when one fails."""
    was_there = into.exists()
    into.mkdir(parents=True, exist_ok=True)
    root = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    done = False
    try:
        free = os.fstatvfs(root)
        total = sum(entry.size_bytes for entry in entries)
        if total > free.f_bavail * free.f_frsize:
            raise MachineError(f"`{into}` needs {sized(total)}; {sized(free.f_bavail * free.f_frsize)} are free")
        for entry in progress(entries, what="unpacking", total=len(entries)):
            _extract_entry(stream, entry, root, faults)
            if faults.refused:
                return
        done = True
    except OSError as error:
        raise MachineError(f"the submission cannot be unpacked into `{into}`: {error.strerror}") from error
    finally:
        os.close(root)
        if not done:
            _clear(into, keep=was_there)


def _extract_entry(stream: BinaryIO, entry: Entry, root: int, faults: Faults) -> None:
    *folders, last = entry.name.rstrip("/").split("/")
    parent = _make_folders(root, [*folders, last] if entry.is_folder else folders)
    try:
        if entry.is_folder:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o755 if entry.mode & stat.S_IXUSR else 0o644
        with open(os.open(last, flags, mode, dir_fd=parent), "wb") as target:  # noqa: PTH123 - opened by descriptor
            os.fchmod(target.fileno(), mode)
            for chunk in entry_chunks(stream, entry):
                target.write(chunk)
    except SubmissionError as error:
        faults.add(shown(entry.name), str(error))
    finally:
        os.close(parent)


def _make_folders(root: int, parts: Sequence[str]) -> int:
    """A descriptor of the folder at the end of `parts`, each made where it is missing and no link followed."""
    here = os.dup(root)
    for part in parts:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=here)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def _clear(folder: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
