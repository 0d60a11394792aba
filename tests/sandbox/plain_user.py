"""Runs one box and prints its `Run` as JSON; started as a plain user, with the system's own Python."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from podium.sandbox.base import Box
from podium.sandbox.bubblewrap import Bubblewrap
from podium.types import Limits, Mount

if __name__ == "__main__":
    words = json.loads(sys.argv[1])
    box = Box(
        submission=Path(words["submission"]),
        workdir="/code_execution",
        mounts=(Mount(source=Path(words["data"]), target="/data"),),
        outputs=tuple(words["outputs"]),
        limits=Limits(**words["limits"]),
        seed=7,
        environment=words["environment"],
    )
    json.dump(asdict(Bubblewrap().run(box, Path(words["out"]))), sys.stdout)
