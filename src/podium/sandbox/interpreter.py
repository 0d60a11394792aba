"""The Python that runs submissions: by default the one that Podium runs on, with its packages."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import podium
from podium.types import Limits

KEY_PACKAGES = (
    "podium",
    "numpy",
    "polars",
    "pillow",
    "av",
    "torch",
    "torchvision",
    "timm",
    "onnxruntime",
    "faiss-cpu",
    "scikit-image",
)


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python and what it needs of the host.

    Attributes:
        executable: As started, inside and outside at the same path.
        folders: To be bound read-only at the same paths; none lies below another or below ``/usr``.
        links: Symbolic links on the way from `executable` to the real file that no folder holds: place and target.
    """

    executable: Path
    folders: tuple[Path, ...]
    links: tuple[tuple[Path, str], ...] = ()

    @property
    def real(self) -> Path:
        """The file itself, all links followed."""
        return self.executable.resolve()


@functools.cache
def own() -> Interpreter:
    """The Python that Podium runs on, and Podium's own package folder when that lies elsewhere (editable install)."""
    executable = Path(sys.executable)
    wanted = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.base_prefix).resolve(),
        executable.resolve().parent.parent,
        Path(podium.__file__).resolve().parent,
    ]
    folders = _outermost(wanted)
    return Interpreter(executable=executable, folders=folders, links=_links(executable, folders))


def variables(limits: Limits, seed: int, python: Path | str, extra: dict[str, str]) -> dict[str, str]:
    """The whole environment of ``main.py``; nothing is inherited."""
    threads = str(max(1, int(limits.cpus or len(os.sched_getaffinity(0)))))
    pools = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "RAYON")
    return {
        "PATH": f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - the box's own
        "TMPDIR": "/tmp",  # noqa: S108 - the box's own
        "USER": "podium",
        "LOGNAME": "podium",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": str(seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PODIUM_SEED": str(seed),
        "POLARS_MAX_THREADS": threads,
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "HF_HUB_OFFLINE": "1",
        **{f"{pool}_NUM_THREADS": threads for pool in pools},
        **extra,
    }


@functools.cache
def packages() -> dict[str, str]:
    """Installed distributions and their versions, read off the names of their metadata folders.

    Asking ``importlib.metadata`` for a hundred of them opens as many files.
    """
    found: dict[str, str] = {}
    for folder in reversed([each for each in sys.path if each and Path(each).is_dir()]):
        for name in os.listdir(folder):  # noqa: PTH208 - a path object for each of hundreds of names is dear
            stem, dot, kind = name.rpartition(".")
            if dot and kind in ("dist-info", "egg-info"):
                package, _, version = stem.partition("-")
                found[package.replace("_", "-").lower()] = version.partition("-")[0]
    return found


def environment(backend: str) -> tuple[tuple[str, ...], str]:
    """Versions for a person, and one digest over them and every installed package.

    Args:
        backend: Name and version of what ran it.
    """
    installed = packages()
    lines = (
        f"kernel {platform.release()}",
        f"processor {platform.machine()}",
        backend,
        f"python {platform.python_version()}",
        *(f"{name} {installed[name]}" for name in KEY_PACKAGES if name in installed),
    )
    everything = "\n".join([*lines, *sorted(f"{name}=={version}" for name, version in installed.items())])
    return lines, f"sha256:{hashlib.sha256(everything.encode()).hexdigest()}"


def _outermost(wanted: list[Path]) -> tuple[Path, ...]:
    kept: list[Path] = []
    for folder in sorted(set(wanted)):
        if not any(folder.is_relative_to(each) for each in [Path("/usr"), *kept]):
            kept.append(folder)
    return tuple(kept)


def _links(executable: Path, folders: tuple[Path, ...]) -> tuple[tuple[Path, str], ...]:
    links: list[tuple[Path, str]] = []
    place = executable
    while place.is_symlink() and len(links) < 40:
        target = str(place.readlink())
        if not any(place.is_relative_to(each) for each in [Path("/usr"), Path("/bin"), *folders]):
            links.append((place, target))
        place = Path(os.path.normpath(place.parent / target))
    return tuple(links)
