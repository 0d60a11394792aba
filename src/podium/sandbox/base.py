"""What every back end is given and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Protocol

from podium.errors import UsageError
from podium.types import Control, Limits, Mount, Run

LOG_NAME = "log.txt"
_RESERVED = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/tmp")  # noqa: S108 - places inside the box


@dataclass(frozen=True, kw_only=True)
class Box:
    """One execution to be made.

    Attributes:
        submission: Unpacked submission folder, plain files and folders only, ``main.py`` at its root.
        workdir: Absolute path inside; the submission's files appear here, it is writable, ``main.py`` starts here.
        mounts: Files and folders of the host that the run may read; a target may lie below `workdir`.
        outputs: Wanted files relative to `workdir`; a part may hold ``*``, ``?`` or ``[…]``.
        seed: Handed over as ``PODIUM_SEED`` and ``PYTHONHASHSEED``, 0 to 4294967295.
        environment: Extra variables for ``main.py``.
    """

    submission: Path
    workdir: str
    mounts: tuple[Mount, ...]
    outputs: tuple[str, ...]
    limits: Limits
    seed: int = 0
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def below_workdir(self) -> tuple[str, ...]:
        """Mount targets below the working directory, relative to it."""
        above = f"{self.workdir}/"
        return tuple(mount.target[len(above) :] for mount in self.mounts if mount.target.startswith(above))


class Sandbox(Protocol):
    """A way to run other people's code."""

    @property
    def name(self) -> str:
        """``bubblewrap``, ``container`` or ``process``."""
        ...

    def run(
        self,
        box: Box,
        out: Path,
        *,
        on_log: Callable[[bytes], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Run:
        """What became of the run. Never raises for what the submission does.

        Args:
            out: Folder for ``log.txt`` and the outputs; absent or empty.
            on_log: Called with each piece of stdout and stderr as it comes.
            cancelled: Asked about twenty times a second; True ends the run.

        Raises:
            UsageError: The box itself makes no sense, or `out` is not empty.
        """
        ...

    def controls(self, limits: Limits) -> tuple[Control, ...]:
        """What would bind here, found without running anybody's code."""
        ...


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Whether a back end works on this machine.

    Attributes:
        reason: Why not, or what was tried to find out.
        remedy: The exact thing to do, or empty.
        controls: What was found to bind by trying it in a real box.
    """

    backend: str
    available: bool
    version: str = ""
    reason: str = ""
    remedy: str = ""
    controls: tuple[Control, ...] = ()


def check(box: Box, out: Path) -> None:
    """Refuses a box that makes no sense.

    Raises:
        UsageError: Names everything that is wrong with it.
    """
    wrong = [*_wrong_paths(box), *_wrong_outputs(box)]
    if not box.submission.is_dir():
        wrong.append(f"the submission `{box.submission}` is not a folder")
    if not 0 <= box.seed <= 0xFFFFFFFF:
        wrong.append(f"the seed is `{box.seed}`; it must be 0 to 4294967295")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        wrong.append(f"the output folder `{out}` is not empty")
    if wrong:
        raise UsageError("; ".join(wrong))


def _wrong_paths(box: Box) -> list[str]:
    wrong = [f"`{place}` is not a clean absolute path" for place in _places(box) if not _is_clean(place)]
    wrong += [
        f"`{place}` lies in a folder that the box keeps for itself"
        for place in _places(box)
        if any(place == each or place.startswith(f"{each}/") for each in _RESERVED)
    ]
    for mount in box.mounts:
        if not mount.source.exists():
            wrong.append(f"there is nothing at `{mount.source}` to mount at `{mount.target}`")
        if mount.target == box.workdir or box.workdir.startswith(f"{mount.target}/"):
            wrong.append(f"the mount `{mount.target}` would hide the working directory")
    return wrong


def _wrong_outputs(box: Box) -> list[str]:
    wrong = [
        f"the output `{name}` is not a clean relative path"
        for name in box.outputs
        if not _is_clean(f"/{name}") or name.startswith("/")
    ]
    if LOG_NAME in box.outputs:
        wrong.append(f"an output cannot be called `{LOG_NAME}`; the log is")
    return wrong


def _places(box: Box) -> list[str]:
    return [box.workdir, *(mount.target for mount in box.mounts)]


def _is_clean(place: str) -> bool:
    path = PurePosixPath(place)
    return path.is_absolute() and place == str(path) and place != "/" and ".." not in path.parts and place.isprintable()
