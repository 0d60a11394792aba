"""Where a result comes from: digests of what it depends on, and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

import podium
from podium.formats import digests
from podium.types import Challenge, DataSet, Machine


def scorer_digest(challenge: Challenge) -> str:
    """sha256 over the code that scores: the challenge's folder and the rooms that it stands on."""
    package = Path(podium.__file__).parent
    folders = [challenge.readme.parent, *(package / room for room in ("metrics", "search", "formats"))]
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            whole.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
            whole.update(digests.digest_file(path).encode())
    return f"sha256:{whole.hexdigest()}"


def data_digest(data: DataSet) -> str:
    """sha256 of the data set's manifest, which holds that of every file; of the files when there is none."""
    if data.manifest.is_file():
        return digests.digest_file(data.manifest)
    return digests.digest_folder(data.root)


def this_machine() -> Machine:
    """The machine that this runs on."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        python=sys.version.split()[0],
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
