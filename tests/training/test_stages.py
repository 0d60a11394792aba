"""A recipe as a chain of stages: what each sets, with what it begins, what is left out, and how a chain goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from podium.errors import UsageError
from podium.solutions.training import stages
from podium.solutions.training.stages import Chain, Stage, Staged


@dataclass(frozen=True, kw_only=True)
class Learning:
    rate: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Toy(Staged):
    learning: Learning = field(default_factory=Learning)
    steps: int = 10


CHAIN = """
solution: toy
steps: 7
stages:
  - name: first
  - {name: second, set: {learning.rate: 0.5}}
  - {name: third, set: {learning: {rate: 0.25}, steps: 3}}
"""


def planned(folder: Path, text: str = CHAIN, **overrides: str) -> Chain[Toy]:
    path = folder / "toy.yaml"
    path.write_text(text)
    return stages.plan(path, Toy, {key.replace("__", "."): value for key, value in overrides.items()})


def short(chain: Chain[Toy]) -> list[tuple[str, str | None, int, float]]:
    return [(each.name, each.recipe.start, each.recipe.steps, each.recipe.learning.rate) for each in chain.stages]


class Work:
    """Trains by writing down which stage began with what; stops before the stage in `stop`."""

    def __init__(self, stop: str | None = None) -> None:
        self.stop = stop
        self.fitted: list[str] = []

    def fit(self, stage: Stage[Toy], folder: Path, before: str | None) -> str:
        if stage.name == self.stop:
            raise KeyboardInterrupt
        self.fitted.append(stage.name)
        made = f"{before or stage.recipe.start or ''}>{stage.name}:{stage.recipe.learning.rate}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "made").write_text(made)
        return made

    @staticmethod
    def finished(folder: Path) -> str | None:
        return (folder / "made").read_text() if (folder / "made").is_file() else None

    def train(self, chain: Chain[Toy], out: Path, *, resume: bool = False) -> str:
        return stages.train(chain, out=out, resume=resume, fit=self.fit, finished=self.finished)


def test_each_stage_sets_its_own_and_begins_with_the_one_before(tmp_path: Path) -> None:
    assert short(planned(tmp_path)) == [
        ("first", None, 7, 1.0),
        ("second", "stage:first", 7, 0.5),
        ("third", "stage:second", 3, 0.25),
    ]
    assert planned(tmp_path).stages[1].recipe.stages == ()


def test_what_is_given_with_set_counts_before_what_a_stage_sets(tmp_path: Path) -> None:
    found = planned(tmp_path, learning__rate="9", steps="1")
    assert [(steps, rate) for _, _, steps, rate in short(found)] == [(1, 9.0)] * 3
    assert [rate for *_, rate in short(planned(tmp_path, stages="[{name: a, set: {learning.rate: 4}}]"))] == [4.0]


def test_a_recipe_without_stages_is_one_in_the_folder_itself(tmp_path: Path) -> None:
    chain = planned(tmp_path, "solution: toy", start="somewhere")
    assert short(chain) == [("", "somewhere", 10, 1.0)]
    assert Work().train(chain, tmp_path / "out") == "somewhere>:1.0"
    assert (tmp_path / "out" / "made").is_file()
    assert (tmp_path / "out" / "recipe.yaml").is_file()


def test_stages_that_are_not_named_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    found = planned(tmp_path, only="[third, first]", start="there")
    assert [(name, start) for name, start, *_ in short(found)] == [("first", "there"), ("third", "stage:first")]


def test_the_chain_is_trained_in_order_each_with_what_came_before(tmp_path: Path) -> None:
    work = Work()
    assert work.train(planned(tmp_path), tmp_path / "out") == ">first:1.0>second:0.5>third:0.25"
    assert work.fitted == ["first", "second", "third"]
    for name in ("first", "second", "third"):
        assert (tmp_path / "out" / name / "recipe.yaml").is_file()


@pytest.mark.parametrize("stop", ["first", "second", "third"])
def test_a_chain_that_was_stopped_goes_on_where_it_was_to_the_same_end(stop: str, tmp_path: Path) -> None:
    chain, out = planned(tmp_path), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        Work(stop).train(chain, out)
    work = Work()
    assert work.train(chain, out, resume=True) == ">first:1.0>second:0.5>third:0.25"
    names = ["first", "second", "third"]
    assert work.fitted == names[names.index(stop) :]
    again = Work()
    again.train(chain, out, resume=True)
    assert again.fitted == []


def test_stages_may_be_trained_in_several_sittings(tmp_path: Path) -> None:
    out = tmp_path / "out"
    Work().train(planned(tmp_path, only="[first]"), out)
    work = Work()
    work.train(planned(tmp_path), out, resume=True)
    assert work.fitted == ["second", "third"]


def test_a_stage_that_began_otherwise_is_not_taken_for_this_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    Work().train(planned(tmp_path, only="[second]"), out)
    with pytest.raises(UsageError, match="`start` was `None` and is `stage:first`"):
        Work().train(planned(tmp_path), out, resume=True)


def test_a_training_is_not_overwritten_nor_gone_on_with_by_another_recipe(tmp_path: Path) -> None:
    out = tmp_path / "out"
    Work().train(planned(tmp_path), out)
    with pytest.raises(UsageError, match="holds a training; go on with it"):
        Work().train(planned(tmp_path), out)
    with pytest.raises(UsageError, match="begun with another recipe: `steps` was `7` and is `8`"):
        Work().train(planned(tmp_path, steps="8"), out, resume=True)


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        (CHAIN, {"only": "[frist]"}, "has no stage `frist`; did you mean `first`"),
        ("solution: toy", {"only": "[a]"}, "has no `stages` of which"),
        ("solution: toy\nstages: [{name: a}, {name: a}]", {}, "names the stage `a` twice"),
        ("solution: toy\nstages: [{name: cache}]", {}, "cannot be called `cache`"),
        ("solution: toy\nstages: [{name: ../a}]", {}, "cannot be called `../a`"),
        ("solution: toy\nstages: [{name: a, set: {stages: []}}]", {}, "sets `stages`, which belongs to the whole"),
        ("solution: toy\nstages: [{name: a, set: {step: 3}}]", {}, r"the stage `a` of .*did you mean `steps`"),
    ],
)
def test_faults_say_what_is_wrong(text: str, overrides: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        planned(tmp_path, text, **overrides)
