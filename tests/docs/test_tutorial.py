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
    """Every line of a console block that begins with `$ podium`, with those that it goes on in."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    return [shlex.split(line[2:])[1:] for block in blocks for line in block.splitlines() if line.startswith("$ podium")]


def test_every_command_in_the_documents_has_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for page in DOCS.rglob("*.md"):
        for arguments in commands(page):
            named = arguments[: 2 if arguments[0] == "data" else 1]
            assert call([*named, "-h"]) == 0, (page, arguments)
            options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", capsys.readouterr().out))
            asked = {each.partition("=")[0] for each in arguments if re.match("--?[a-z]", each)}
            assert asked <= options, (page, arguments, asked - options)


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
