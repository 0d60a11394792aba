"""The house itself: light imports, an exact public face, documents that are true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import podium

ROOT = Path(__file__).parents[2]


def test_importing_podium_loads_nothing_heavy() -> None:
    heavy = ("numpy", "torch", "polars", "av", "PIL", "msgspec", "click")
    code = f"import sys, podium; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scoring_loads_no_torch() -> None:
    code = "import sys, podium; podium.score, podium.run, podium.validate; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_arrives_and_is_documented() -> None:
    for name in podium.__all__:
        value = getattr(podium, name)
        assert name.startswith("__") or value.__doc__, name


def test_no_module_is_longer_than_the_house_allows() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "src").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_the_reference_pages_are_those_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_link_between_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
