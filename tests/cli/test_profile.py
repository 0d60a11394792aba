"""`podium profile`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from podium.cli import call

NET = "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))\n"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save = pytest.importorskip("safetensors.numpy").save_file
    save({"encoder.w": np.zeros(1_500, "f4"), "head.w": np.zeros(500, "f4")}, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_a_weight_file_is_shown_by_group(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["profile", str(weights)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["encoder", "safetensors", "1,500", "75.0%"] in lines
    assert ["a.safetensors", "2,000"] in lines
    assert not any("multiply-adds" in line for line in lines)


@pytest.mark.train
def test_own_code_is_measured_and_printed_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    (tmp_path / "nets.py").write_text(NET)
    assert call(["profile", f"{tmp_path / 'nets.py'}:net", "--input", "3,10,12", "--repeats", "1", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["parameters"], made["multiply_adds"]) == (224, 8 * 27 * 120)
    assert made["inputs"] == [[1, 3, 10, 12]]
    assert made["frame_seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["nowhere.pt"], "does not exist"),
        (["nets.py:Net"], "does not exist"),
        (["{weights}", "--input", "3,a"], "is no shape"),
        (["{weights}", "--input", "0,3"], "is no shape"),
        (["{weights}", "--input", "99999,99999,99999"], "too large"),
        (["{weights}", "--run"], "needs the size"),
        (["{folder}/broken.pt"], "no weight file"),
    ],
)
def test_wrong_use_is_answered_with_what_to_write(
    weights: Path, arguments: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights.parent / "broken.pt").write_bytes(b"hello")
    given = [each.format(weights=weights, folder=weights.parent) for each in arguments]
    assert call(["profile", *given]) == 2
    assert match in capsys.readouterr().err


def test_nothing_heavy_is_loaded_for_the_values() -> None:
    code = "import podium.solutions.profile, podium.cli.profile, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
