"""What a sandbox adds to the start of a program: a trivial ``main.py``, supervised, against plain ``python main.py``.

Both are timed in turn, pair by pair, so that a busy machine slows both alike. Run it as
``python benchmarks/sandbox_start.py``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from podium.sandbox import Box, sandbox
from podium.types import Limits

LIMITS = Limits(wall_seconds=30, cpu_seconds=20, cpus=1, memory_bytes=1 << 30, scratch_bytes=1 << 28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--sandbox", default="bubblewrap")
    options = parser.parse_args()
    one = sandbox(options.sandbox)
    plain_ms, boxed_ms, set_up_ms, main_ms, collect_ms = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        submission = Path(folder, "submission")
        submission.mkdir()
        (submission / "main.py").write_text("import sys\n")
        box = Box(submission=submission, workdir="/code_execution", mounts=(), outputs=(), limits=LIMITS)
        for pair in range(-3, options.pairs):
            began = time.perf_counter()
            subprocess.run([sys.executable, "main.py"], cwd=submission, check=True)
            between = time.perf_counter()
            run = one.run(box, Path(folder, f"out{pair}"))
            ended = time.perf_counter()
            if run.failure:
                raise SystemExit(f"the run failed: {run.message}")
            if pair < 0:
                continue
            plain_ms.append(1e3 * (between - began))
            boxed_ms.append(1e3 * (ended - between))
            for kept, stage in zip((set_up_ms, main_ms, collect_ms), run.stages, strict=True):
                kept.append(1e3 * stage.wall_seconds)
    added_ms = [boxed - plain for plain, boxed in zip(plain_ms, boxed_ms, strict=True)]
    print(f"{'':28}{'median':>10}{'least':>10}{'p90':>10}   ms, {options.pairs} pairs")
    for name, values in (
        ("plain python main.py", plain_ms),
        (f"{one.name}", boxed_ms),
        ("added, pair by pair", added_ms),
        ("  of it set-up", set_up_ms),
        ("  main.py, inside", main_ms),
        ("  collect", collect_ms),
    ):
        p90 = statistics.quantiles(values, n=10)[-1]
        print(f"{name:28}{statistics.median(values):10.1f}{min(values):10.1f}{p90:10.1f}")


if __name__ == "__main__":
    main()
