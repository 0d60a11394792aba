"""sha256 of files and folders, and the manifest that tells whether a data set is still what it was."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec

from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular, replacing
from podium.types import Problem, Progress, silent

MANIFEST_NAME = "manifest.json"
_WORKERS = min(4, os.cpu_count() or 1)
_MAX_MANIFEST_BYTES = 1 << 30
_MAX_DEPTH = 32
_CHUNK_BYTES = 1 << 20


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says of one file."""

    digest: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Every file of a folder by its name relative to it."""

    schema: int = 1
    files: dict[str, ManifestFile]


def digest_stream(stream: BinaryIO) -> str:
    """``sha256:…`` of a stream from its beginning."""
    stream.seek(0)
    whole = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        whole.update(chunk)
    return f"sha256:{whole.hexdigest()}"


def digest_file(path: Path) -> str:
    """``sha256:…`` of a plain file, read piece by piece.

    Raises:
        SubmissionError: It is missing, a link or no plain file.

    >>> import tempfile; folder = Path(tempfile.mkdtemp()); _ = (folder / "a").write_bytes(b"")
    >>> digest_file(folder / "a")[:20]
    'sha256:e3b0c44298fc1'
    """
    with open_regular(path) as stream:
        return digest_stream(stream)


def digest_folder(folder: Path, *, follow_links: bool = False, progress: Progress = silent) -> str:
    """``sha256:…`` over the sorted names of all files in a folder and the digest of each.

    Dates, modes and empty folders do not count.

    Args:
        folder: What to walk.
        follow_links: Read what links point to; otherwise a link is refused.
        progress: Shows the walk over the files.

    Raises:
        SubmissionError: A link, pipe or device is in the folder.
        UsageError: The folder does not exist.
    """
    return digest_manifest(make_manifest(folder, follow_links=follow_links, progress=progress))


def digest_manifest(manifest: Manifest) -> str:
    """``sha256:…`` over the names and digests of a manifest; that of the folder it was made of."""
    whole = hashlib.sha256()
    for name, file in sorted(manifest.files.items()):
        whole.update(name.encode("utf-8", "surrogateescape") + b"\0" + file.digest.encode() + b"\0")
    return f"sha256:{whole.hexdigest()}"


def make_manifest(
    root: Path, *, leave_out: tuple[str, ...] = (), follow_links: bool = False, progress: Progress = silent
) -> Manifest:
    """The digest and size of every file below a folder.

    Args:
        root: The folder.
        leave_out: Names, relative to `root`, that do not count.
        follow_links: Read what links point to; otherwise a link is refused.
        progress: Shows the walk over the files.

    Raises:
        SubmissionError: A link, pipe or device is in the folder.
        UsageError: The folder does not exist.
    """
    if not root.is_dir():
        raise UsageError(f"the folder `{root}` does not exist")
    names = [name for name in sorted(_walk(root, "", follow_links)) if name not in leave_out]
    digested = _digest_all(root, names, follow_links, progress)
    return Manifest(files=dict(zip(names, digested, strict=True)))


def write_manifest(
    root: Path, into: Path | None = None, *, follow_links: bool = False, progress: Progress = silent
) -> Manifest:
    """Writes the manifest of a folder, by default to its own ``manifest.json``, which does not list itself.

    Raises:
        SubmissionError: A link, pipe or device is in the folder.
        UsageError: The folder does not exist.
    """
    into = into or root / MANIFEST_NAME
    manifest = make_manifest(root, leave_out=(_relative(root, into),), follow_links=follow_links, progress=progress)
    with replacing(into) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """The manifest that `write_manifest` wrote.

    Raises:
        ChallengeError: It is missing, damaged or of a later schema.
    """
    try:
        with open_regular(path, max_bytes=_MAX_MANIFEST_BYTES) as stream:
            manifest = msgspec.json.decode(stream.read(), type=Manifest)
    except (SubmissionError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ChallengeError(f"the manifest `{path}` cannot be read: {error}") from error
    if manifest.schema != 1:
        raise ChallengeError(f"the manifest `{path}` has schema `{manifest.schema}`; this Podium reads `1`")
    return manifest


def check_manifest(
    root: Path,
    manifest: Path | None = None,
    *,
    follow_links: bool = False,
    sizes_only: bool = False,
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """What has changed in a folder since its manifest was written: missing, extra and changed files.

    Args:
        root: The folder.
        manifest: The file; by default the folder's own ``manifest.json``.
        follow_links: As when the manifest was written.
        sizes_only: Do not read the files, which takes long, but compare their sizes.
        progress: Shows the walk over the files.

    Raises:
        ChallengeError: The manifest is missing or damaged.
    """
    path = manifest or root / MANIFEST_NAME
    listed = read_manifest(path).files
    own_name = _relative(root, path)
    faults = Faults(root.name or str(root))
    try:
        here = {name for name in _walk(root, "", follow_links) if name != own_name}
    except SubmissionError as error:
        return error.problems
    for name in sorted(listed.keys() - here):
        faults.add(name, "the file is missing")
    for name in sorted(here - listed.keys()):
        faults.add(name, "the manifest does not list this file")
    names = sorted(here & listed.keys())
    sizes = {name: (root / name).stat().st_size for name in names}
    for name in (each for each in names if sizes[each] != listed[each].size_bytes):
        faults.add(name, f"the file has `{sizes[name]}` bytes; the manifest says `{listed[name].size_bytes}`")
    same_size = [] if sizes_only else [name for name in names if sizes[name] == listed[name].size_bytes]
    for name, found in zip(same_size, _digest_all(root, same_size, follow_links, progress), strict=True):
        if found.digest != listed[name].digest:
            faults.add(name, f"the content has changed: `{found.digest}`, not `{listed[name].digest}`")
    return faults.problems


def _digest_all(root: Path, names: list[str], follow_links: bool, progress: Progress) -> list[ManifestFile]:
    def digest(name: str) -> ManifestFile:
        path = root / name
        with open_regular(path.resolve() if follow_links else path) as stream:
            return ManifestFile(digest=digest_stream(stream), size_bytes=os.fstat(stream.fileno()).st_size)

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(progress(pool.map(digest, names), what="checking files", total=len(names)))


def _walk(folder: Path, prefix: str, follow_links: bool, depth: int = 0) -> Iterator[str]:
    """Names of all files below, relative to the root."""
    if depth > _MAX_DEPTH:
        raise _refusal(prefix, f"folders lie more than `{_MAX_DEPTH}` deep; do links go round in a circle?")
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        name = prefix + entry.name
        mode = entry.stat(follow_symlinks=follow_links).st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(Path(entry.path), f"{name}/", follow_links, depth + 1)
        elif stat.S_ISREG(mode):
            yield name
        else:
            what = "a link" if stat.S_ISLNK(mode) else "a pipe, socket or device"
            raise _refusal(name, f"this is {what}; only plain files and folders are read")


def _refusal(name: str, message: str) -> SubmissionError:
    problem = Problem(place=name, message=message)
    return SubmissionError(f"{shown(name)}: {message}", [problem])


def _relative(root: Path, path: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return ""
