"""What is loaded when."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "statement",
    [
        "import podium.solutions.copy_detection",
        "from podium.solutions.copy_detection import hash_frames",
        "from podium.solutions.copy_detection import describe_with",
    ],
)
def test_torch_is_loaded_only_for_networks(statement: str) -> None:
    code = f"{statement}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
