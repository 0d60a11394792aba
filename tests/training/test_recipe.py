"""Recipes: strict in, the same out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.training import Head, digest, dump, find, keep, load, write
from podium.solutions.training.recipe import read
from podium.solutions.training.strict_yaml import MAX_BYTES, parse, text_of


@dataclass(frozen=True, kw_only=True)
class Part:
    rate: float = 0.1
    kind: Literal["soft", "hard"] = "soft"
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise UsageError(f"`rate` is {self.rate}; at least 0 is allowed")


@dataclass(frozen=True, kw_only=True)
class Whole(Head):
    epochs: int
    part: Part = field(default_factory=Part)
    members: tuple[Part, ...] = ()
    limit: float | None = None
    names: dict[str, str] = field(default_factory=dict)


GOOD = """\
solution: toy
epochs: 3
part: {rate: 1e-3, kind: hard}
members:
- rate: 2
- sizes: [7]
names: {no: yes}
"""


def test_a_recipe_becomes_its_dataclass() -> None:
    assert read(GOOD, Whole) == Whole(
        solution="toy",
        epochs=3,
        part=Part(rate=0.001, kind="hard"),
        members=(Part(rate=2.0), Part(sizes=(7,))),
        names={"no": "yes"},
    )


def test_every_fault_of_a_file_is_in_one_message() -> None:
    bad = "solution: 3\nepoch: 3\npart:\n  rate: fast\n  kind: sotf\n  sizes: [1, x]\nmembers:\n- 4\n- rte: 1\n"
    with pytest.raises(UsageError) as caught:
        read(bad, Whole, name="bad.yaml")
    assert str(caught.value).splitlines() == [
        "`bad.yaml`: `epoch` (line 2) is unknown; did you mean `epochs`?",
        "`solution` (line 1) is `3`; expected `str`, got `int`",
        "`part.rate` (line 4) is `fast`; expected `float`, got `str`",
        "`part.kind` (line 5) is `sotf`; did you mean `soft`?",
        "`part.sizes.1` (line 6) is `x`; expected `int`, got `str`",
        "`members.0` (line 8) is `4`; a table of settings is expected",
        "`members.1.rte` (line 9) is unknown; did you mean `rate`?",
        "`epochs` (line 1) is missing",
    ]


def test_a_value_that_the_settings_refuse_is_named_with_its_place() -> None:
    with pytest.raises(UsageError, match=r"`part` \(line 3\) `rate` is -1.0; at least 0 is allowed"):
        read("solution: x\nepochs: 1\npart:\n  rate: -1\n", Whole)


def test_overrides_have_the_types_of_yaml_and_reach_into_lists() -> None:
    changes = {"epochs": "9", "part.rate": "1e-5", "members.1.sizes": "[4, 5]", "limit": "2.5", "challenge": "null"}
    changed = read(GOOD, Whole, overrides=changes)
    assert (changed.epochs, changed.part.rate, changed.limit) == (9, 1e-5, 2.5)
    assert changed.part.kind == "hard"
    assert changed.members == (Part(rate=2.0), Part(sizes=(4, 5)))


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("part.rat", r"`part.rat` \(`--set`\) is unknown; did you mean `rate`\?"),
        ("epochs.first", r"`--set epochs.first`: `epochs` is a value and has no `first`"),
        ("members.2.rate", r"`--set members.2.rate`: `2` is none of the 2 positions from 0"),
    ],
)
def test_an_override_that_leads_nowhere_is_refused(place: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read(GOOD, Whole, overrides={place: "1"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2\n", "line 2 has `a` for the second time"),
        ("a: {b: 1, b: 2}\n", "line 1 has `a.b` for the second time"),
        ("a: &x 1\nb: *x\n", "line 1 has an anchor or an alias.*line 2 has an anchor or an alias"),
        ("a: !!python/object:os.system 1\n", "line 1 has a tag"),
        ("a: !!int 1\n", "line 1 has a tag"),
        ("[a: 1\n", "is no YAML"),
        ("? [1, 2]\n: 3\n", "line 1 has a key that is no word"),
        ("[" * 200_000, "line 1 is nested too deeply; 32 levels"),
        ("a" * (MAX_BYTES + 1), "at most 262144 are allowed"),
    ],
)
def test_yaml_that_could_mislead_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse(text, name="x")


def test_plain_words_mean_what_a_person_reads() -> None:
    text = "[1e-3, .5, 010, no, on, 1:30, 2020-01-01, ~, true, -.inf, 1_000, 0x1f, '3']"
    expected = [0.001, 0.5, 10, "no", "on", "1:30", "2020-01-01", None, True, float("-inf"), "1_000", "0x1f", "3"]
    assert parse(text, name="x").value == expected


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    assert parse(text_of(value), name="x").value == value


parts = st.builds(
    Part,
    rate=st.floats(0, 1e9),
    kind=st.sampled_from(["soft", "hard"]),
    sizes=st.lists(st.integers()).map(tuple),
)


@given(
    st.builds(
        Whole,
        solution=st.text(),
        summary=st.text(),
        challenge=st.none() | st.text(),
        epochs=st.integers(),
        part=parts,
        members=st.lists(parts, max_size=2).map(tuple),
        limit=st.none() | st.floats(allow_nan=False),
        names=st.dictionaries(st.text(), st.text(), max_size=2),
    )
)
def test_a_dumped_recipe_is_the_same_recipe(recipe: Whole) -> None:
    assert read(dump(recipe), Whole) == recipe


def test_the_digest_is_that_of_the_settings_and_not_of_the_file() -> None:
    assert digest(read(GOOD, Whole)) == digest(read(GOOD + "# a remark\nlimit: null\n", Whole))
    assert digest(read(GOOD, Whole)) != digest(read(GOOD, Whole, overrides={"epochs": "4"}))


def test_files_that_are_no_recipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load(tmp_path / "x.yaml", Whole)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no text"):
        load(tmp_path / "x.yaml", Whole)
    (tmp_path / "x.yaml").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="at most 262144"):
        load(tmp_path / "x.yaml", Whole)
    write(read(GOOD, Whole), tmp_path / "y.yaml")
    assert load(tmp_path / "y.yaml", Whole) == read(GOOD, Whole)


def test_a_training_goes_on_only_with_the_recipe_that_it_began_with(tmp_path: Path) -> None:
    begun = read(GOOD, Whole)
    assert load(keep(begun, tmp_path), Whole) == begun
    assert keep(begun, tmp_path, resume=True) == tmp_path / "recipe.yaml"
    other = read(GOOD, Whole, overrides={"part.rate": "0.5", "epochs": "4"})
    with pytest.raises(UsageError, match=r"`epochs` was `3` and is `4`; `part.rate` was `0.001` and is `0.5`"):
        keep(other, tmp_path, resume=True)


def test_a_recipe_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert find(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    with pytest.raises(UsageError, match=r"there is no file `your.yaml`; packaged recipes:"):
        find("your.yaml")
    with pytest.raises(UsageError, match="no recipe is called `toy/smal`"):
        find("toy/smal")


def test_recipes_are_read_without_torch() -> None:
    code = "import podium.solutions.training as t, sys; t.listed(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
