"""What importing the training pieces costs."""

from __future__ import annotations

import subprocess
import sys


def test_the_package_loads_no_torch() -> None:
    code = (
        "import sys, podium.solutions.copy_detection.training; print({'torch', 'timm', 'lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
