"""A numbered slot, held by one running box: gives it a user id and a control group name of its own."""

from __future__ import annotations

import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from podium.errors import MachineError

SLOTS = 64
# between the ranges that systemd keeps for homes, containers and dynamic users
_FIRST_USER_ID = 61_001


@dataclass
class Slot:
    """Held until closed; the kernel frees it when the process dies."""

    number: int
    fd: int

    @property
    def user_id(self) -> int:
        """User and group id of the box when Podium is root. One box an id, since the process limit counts by user."""
        return _FIRST_USER_ID + self.number

    @property
    def group_name(self) -> str:
        """Name of the control group; whoever holds the slot owns a group of that name."""
        return f"podium-{os.geteuid()}-{self.number}"

    def __enter__(self) -> Slot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)


def take(folder: Path | None = None) -> Slot:
    """The first free slot.

    Raises:
        MachineError: All are held, or the lock folder is not ours.
    """
    folder = folder or _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or status.st_uid != os.geteuid():
        raise MachineError(f"`{folder}` does not belong to this user; remove it")
    for number in range(SLOTS):
        fd = os.open(folder / f"slot-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        return Slot(number, fd)
    raise MachineError(f"all `{SLOTS}` slots are taken by running boxes")


def _folder() -> Path:
    name = f"podium-{os.geteuid()}"
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), "/run/lock"):
        if parent and Path(parent).is_dir() and os.access(parent, os.W_OK):
            return Path(parent) / name
    return Path(tempfile.gettempdir()) / name
