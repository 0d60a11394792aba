"""Where networks run."""

from __future__ import annotations

from podium.errors import MachineError, UsageError, nearest

DEVICES = ("cpu", "cuda", "auto")


def chosen(name: str) -> str:
    """The device of that name; for ``auto`` the graphics card where there is one.

    Args:
        name: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        UsageError: There is no such device.
        MachineError: This machine has no graphics card that can be used, or no torch.
    """
    if name not in DEVICES:
        raise UsageError(f"no device is called `{name}`; {nearest(name, DEVICES)}")
    try:
        import torch
    except ImportError as error:
        raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error
    if name == "cuda" and not torch.cuda.is_available():
        raise MachineError("the device `cuda` needs an NVIDIA card and a torch that was built for it")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
