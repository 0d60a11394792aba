"""The tutorial, run as it is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from podium.cli import call
from podium.types import Report, Verdict

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: Path) -> list[list[str]]:
    """Every line of a console block that begins with `$ podium`."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [shlex.split(line[2:])[1:] for block in blocks for line in block.splitlines() if line.startswith("$ podium")]


def test_every_command_in_the_documents_has_options_that_exist() -> None:
    for page in DOCS.rglob("*.md"):
        for arguments in commands(page):
            asked = [each for each in arguments if not each.startswith("-") or each in ("-o",)]
            assert call([*asked[: 2 if asked[0] == "data" else 1], "-h"]) == 0, (page, arguments)


@pytest.mark.sandbox
@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = commands(DOCS / "tutorial.md")
    assert len(lines) >= 10
    for arguments in lines:
        code = call(arguments)
        said = capsys.readouterr()
        assert code == 0, (arguments, said.err)
    report = Report.from_json((tmp_path / "runs" / "starter" / "report.json").read_text())
    assert report.verdict is Verdict.SCORED
    assert report.run is not None
    assert report.run.backend in ("bubblewrap", "container")
    page = (tmp_path / "runs" / "starter" / "report.html").read_text(encoding="utf-8")
    assert "micro-AP" in page
