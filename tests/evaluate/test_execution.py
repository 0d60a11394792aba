"""Running without judging: what is laid into the box, what comes out, and that the submission stays as it was."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from podium import evaluate
from podium.challenges import challenge
from podium.errors import SubmissionError, UsageError
from podium.evaluate.execution import Unpacked, execute, unpack
from podium.formats import archives, digests
from podium.sandbox import sandbox
from podium.sandbox.base import Box
from podium.types import DataSet, Limits, OutputFile, Run, Usage, Verdict

WHALES = challenge("whale-do")
PROGRAMS = Path(__file__).parent / "programs"
LIMITS = Limits(wall_seconds=60.0, memory_bytes=2 << 30)


class Looker:
    """Notes what a box would hold."""

    name = "looker"

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.limits: list[Limits] = []

    def run(self, box: Box, out: Path, **_: object) -> Run:
        files = [path for path in box.submission.rglob("*") if path.is_file()]
        self.seen.append({str(path.relative_to(box.submission)): path.read_text() for path in files})
        self.limits.append(box.limits)
        (out / "submission").mkdir(parents=True)
        (out / "log.txt").write_text("hello\n")
        (out / "submission" / "submission.csv").write_text("query_id,database_image_id,score\n")
        written = OutputFile(name="submission/submission.csv", size_bytes=1, digest="sha256:0")
        return Run(backend="looker", failure=None, message="", usage=Usage(wall_seconds=1), outputs=(written,))

    def controls(self, limits: Limits) -> tuple[Any, ...]:
        return ()


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    return folder


def run(whales: DataSet, submission: Path, out: Path, looker: Looker, **how: Any) -> tuple[Any, Unpacked]:
    out.mkdir()
    with unpack(WHALES, submission, phase="1") as unpacked:
        before = digests.digest_folder(unpacked.folder)
        done = execute(WHALES, unpacked, whales, out, box=looker, **how)
        assert digests.digest_folder(unpacked.folder) == before == unpacked.digest
    return done, unpacked


def test_the_challenge_s_copies_lie_beside_the_program(whales: DataSet, submission: Path, tmp_path: Path) -> None:
    looker = Looker()
    done, _ = run(whales, submission, tmp_path / "out", looker)
    assert set(looker.seen[0]) == {"main.py", "query_scenarios.csv", "metadata.csv"}
    assert looker.seen[0]["metadata.csv"] == (whales.inputs / "metadata.csv").read_text()
    assert done.log.read_text() == "hello\n"
    assert (done.predictions / "submission" / "submission.csv").is_file()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"predictions", "log.txt"}


def test_a_file_of_the_submission_is_never_covered_by_a_copy(whales: DataSet, submission: Path, tmp_path: Path) -> None:
    (submission / "metadata.csv").write_text("mine")
    looker = Looker()
    run(whales, submission, tmp_path / "out", looker)
    assert looker.seen[0]["metadata.csv"] == "mine"
    assert "query_scenarios.csv" in looker.seen[0]


def test_the_copies_of_one_run_are_not_there_in_the_next(whales: DataSet, submission: Path, tmp_path: Path) -> None:
    looker = Looker()
    other = DataSet(tmp_path / "other")
    shutil.copytree(whales.root, other.root)
    (other.inputs / "metadata.csv").write_text("another table")
    with unpack(WHALES, submission, phase="1") as unpacked:
        for name, data in (("a", whales), ("b", other)):
            (tmp_path / name).mkdir()
            execute(WHALES, unpacked, data, tmp_path / name, box=looker)
    assert looker.seen[1]["metadata.csv"] == "another table"


def test_limits_are_cut_down_with_a_note_unless_they_are_given(
    whales: DataSet, submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from podium.evaluate import execution
    from podium.evaluate.limits import Capacity

    small = Capacity(cpus=2, memory_bytes=8 << 30, gpus=0)
    monkeypatch.setattr(execution, "this_capacity", lambda: small)
    looker = Looker()
    done, _ = run(whales, submission, tmp_path / "cut", looker)
    assert looker.limits[0].wall_seconds == 9 * 3_600
    assert len(done.run.notes) == 3
    assert "the wall limit is 9 h instead of 3 h" in done.run.notes[0]
    given, _ = run(whales, submission, tmp_path / "given", looker, limits=LIMITS)
    assert looker.limits[1] == LIMITS
    assert given.run.notes == ()


def test_a_submission_without_code_is_not_run_where_code_is_optional(videos: DataSet, tmp_path: Path) -> None:
    looker = Looker()
    optional = dataclasses.replace(challenge("vsc-descriptor"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "query_descriptors.npz").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    with unpack(optional, tmp_path / "mine", phase="1") as unpacked:
        assert not unpacked.has_code
        done = execute(optional, unpacked, videos, tmp_path / "out", box=looker)
    assert done.run is None
    assert looker.seen == []


def test_what_cannot_be_unpacked_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme.txt").write_text("x")
    with pytest.raises(SubmissionError) as caught, unpack(WHALES, tmp_path / "empty", phase="1"):
        pass
    assert any("main.py" in str(each) for each in caught.value.problems)
    with pytest.raises(UsageError, match="does not exist"), unpack(WHALES, tmp_path / "nothing", phase="1"):
        pass


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ["boilerplate", "quickstart"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_program_for_the_official_runtime_runs_unmodified(
    whales: DataSet, tmp_path: Path, name: str, packed: bool
) -> None:
    pytest.importorskip("pandas")
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copyfile(PROGRAMS / f"{name}.py.txt", folder / "main.py")
    source = archives.pack(folder, tmp_path / "mine.zip").path if packed else folder
    report = evaluate.run("whale-do", source, data=whales, out=tmp_path / "out")
    assert report.verdict is Verdict.SCORED, (report.message, report.problems, report.run and report.run.log_tail)
    rows = (tmp_path / "out" / "predictions" / "submission" / "submission.csv").read_text().splitlines()
    assert rows[0] == "query_id,database_image_id,score"
    assert len(rows) == 1 + 3 * 5 + 2 * 4
    assert rows[1] == "scenario01-test0000,test0001,0.5"


@pytest.mark.sandbox
@pytest.mark.parametrize("backend", ["bubblewrap", "process"])
def test_the_data_lies_below_the_working_directory_and_cannot_be_written(
    whales: DataSet, tmp_path: Path, backend: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "main.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "root = Path(os.environ.get('PODIUM_ROOT', '/')) / 'code_execution'\n"
        "assert Path.cwd() == root, Path.cwd()\n"
        "assert len(list((root / 'data' / 'images').iterdir())) == 12\n"
        "(root / 'cache').mkdir()\n"
        "(root / 'cache' / 'features').write_text('x')\n"
        "if 'PODIUM_ROOT' not in os.environ:\n"
        "    try:\n"
        "        (root / 'data' / 'cache').write_text('x')\n"
        "    except OSError as error:\n"
        "        print('refused', error.errno)\n"
        "    else:\n"
        "        raise SystemExit('the data can be written')\n"
        "(root / 'submission' / 'submission.csv').write_text('written')\n"
    )
    (tmp_path / "out").mkdir()
    with unpack(WHALES, folder, phase="1") as unpacked:
        done = execute(WHALES, unpacked, whales, tmp_path / "out", box=sandbox(backend))
    assert done.run is not None
    assert done.run.failure is None, (done.run.message, done.run.log_tail)
    assert (done.predictions / "submission" / "submission.csv").read_text() == "written"


@pytest.mark.sandbox
def test_more_memory_and_cards_than_there_are_do_not_keep_a_box_from_starting(
    whales: DataSet, submission: Path, tmp_path: Path
) -> None:
    (submission / "main.py").write_text(
        "from pathlib import Path\nPath('submission/submission.csv').write_text('written')\n"
    )
    (tmp_path / "out").mkdir()
    limits = Limits(wall_seconds=60.0, cpus=512.0, memory_bytes=1 << 44, scratch_bytes=1 << 40, gpus=7)
    with unpack(WHALES, submission, phase="1") as unpacked:
        done = execute(WHALES, unpacked, whales, tmp_path / "out", box=sandbox("bubblewrap"), limits=limits)
    assert done.run is not None
    assert done.run.failure is None, (done.run.message, done.run.log_tail)
    assert any("7" in each and "graphics cards" in each for each in done.run.notes)
