"""The validator of `sub.csv`: what it takes, what it refuses and where it says so."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.challenges.yt8m_segments import entries as entries_module
from podium.challenges.yt8m_segments import layout, vocabulary
from podium.challenges.yt8m_segments.entries import Flaw, read_entries, windows
from podium.challenges.yt8m_segments.grid import SegmentGrid
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.challenges.yt8m_segments.predictions import CAP, SUBMISSION, SegmentPredictions, read_predictions
from podium.challenges.yt8m_segments.samples import BROKEN, write_perfect
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.errors import ChallengeError
from podium.types import DataSet, Phase, Reading, Severity

PHASE = Phase(name="1", summary="", code_required=True)
IDS = ["abcd", "wxyz", "0000", "A-_b", "abcde", "a"]
FRAMES = [230, 121, 300, 5, 60, 4]


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    made = DataSet(tmp_path / "data")
    write_vocabulary(
        made.inputs / layout.VOCABULARY,
        Vocabulary(
            indices=np.array([3, 1831, 7]),
            knowledge_graph_ids=("/m/a", "", "/m/c"),
            names=("Game", "", "Car, old"),
            positive_segments=np.array([25, 204, 30]),
            rated_segments=np.array([155, 250, 160]),
        ),
    )
    layout.write_videos(made.inputs / layout.VIDEOS, Videos(ids=np.array(IDS), frames=np.array(FRAMES)))
    layout.write_ratings(
        made.answers / layout.RATINGS,
        Ratings(
            videos=np.array(["abcd", "abcd", "wxyz", "0000"]),
            start_seconds=np.array([30, 35, 40, 295]),
            class_indices=np.array([3, 3, 7, 1831]),
            positive=np.array([True, False, True, True]),
        ),
    )
    return made


@pytest.fixture
def read(data: DataSet, tmp_path: Path) -> Callable[..., Reading]:
    def read_text(text: str | bytes, *, parity: bool = False) -> Reading:
        folder = tmp_path / "predictions"
        folder.mkdir(exist_ok=True)
        (folder / SUBMISSION).write_bytes(text.encode() if isinstance(text, str) else text)
        return read_predictions(folder, data, phase=PHASE, parity=parity)

    return read_text


def errors(reading: Reading) -> list[str]:
    return [str(each) for each in reading.problems if each.severity is Severity.ERROR]


def named(predictions: SegmentPredictions, row: int) -> list[str] | None:
    slots = predictions.of(row)
    if slots is None:
        return None
    video = np.searchsorted(predictions.grid.first_slot, slots, side="right") - 1
    return [
        f"{IDS[v]}:{5 * (slot - predictions.grid.first_slot[v])}" if slot >= 0 else "-"
        for slot, v in zip(slots.tolist(), video.tolist(), strict=True)
    ]


GOOD = "Class,Segments\n3,abcd:30 wxyz:120 0000:0\n1831,A-_b:0 abcde:55 a:0\n7,\n"


def test_good_lists_are_read_in_their_order(read: Callable[..., Reading]) -> None:
    reading = read(GOOD)
    assert reading.problems == ()
    assert named(reading.predictions, 0) == ["abcd:30", "wxyz:120", "0000:0"]
    assert named(reading.predictions, 1) == ["A-_b:0", "abcde:55", "a:0"]
    assert named(reading.predictions, 2) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: re.sub(r"(?m)^(\w+),(.*)$", r'"\1","\2"', text),
    ],
    ids=["no line feed at the end", "blank lines", "carriage returns", "byte order mark", "quotes"],
)
def test_harmless_forms_of_the_same_file_are_read_alike(read: Callable[..., Reading], change) -> None:
    plain, other = read(GOOD), read(change(GOOD))
    assert other.problems == ()
    np.testing.assert_array_equal(other.predictions.slots, plain.predictions.slots)
    np.testing.assert_array_equal(other.predictions.end, plain.predictions.end)


def test_a_class_that_is_left_out_warns_and_has_no_list(read: Callable[..., Reading]) -> None:
    reading = read("Class,Segments\n1831,abcd:30\n")
    assert reading.valid
    assert [str(each) for each in reading.problems] == [
        "sub.csv: class `3 Game` has no list, so it scores 0 (and 1 more like it)"
    ]
    assert reading.predictions.of(0) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3,abcd:30 zzzz:30", "line 2 entry 2: `zzzz:30` names a video that is not in the test set"),
        ("3,ABCD:30", "line 2 entry 1: `ABCD:30` names a video that is not in the test set"),
        ("3,abcdef:5", "line 2 entry 1: `abcdef:5` names a video that is not in the test set"),
        ("3,abcd:31", "line 2 entry 1: `abcd:31` starts off the grid; `30` is the nearest start"),
        (
            "3,abcd:230",
            "line 2 entry 1: `abcd:230` starts beyond the video, which has `230` s; the last start is `225`",
        ),
        ("3,a:5", "line 2 entry 1: `a:5` starts beyond the video, which has `4` s; the last start is `0`"),
        ("3,abcd:99999995", "line 2 entry 1: `abcd:99999995` starts beyond the video"),
        ("3,abcd:999999995", "line 2 entry 1: `abcd:999999995` has no start time that can be read"),
        ("3,abcd:030", "line 2 entry 1: `abcd:030` has no start time that can be read"),
        ("3,abcd:-5", "line 2 entry 1: `abcd:-5` has no start time that can be read"),
        ("3,abcd:3O", "line 2 entry 1: `abcd:3O` has no start time that can be read"),
        ("3,abcd:30.0", "line 2 entry 1: `abcd:30.0` has no start time that can be read"),
        ("3,abcd:٣٠", "line 2 entry 1: `abcd:٣٠` has no start time that can be read"),
        ("3,abcd", "line 2 entry 1: `abcd` is not of the form `videoid:start`"),
        ("3,abcd:", "line 2 entry 1: `abcd:` is not of the form `videoid:start`"),
        ("3,:30", "line 2 entry 1: `:30` is not of the form `videoid:start`"),
        ("3,abcd:30:35", "line 2 entry 1: `abcd:30:35` is not of the form `videoid:start`"),
        ("3,abcd:30,wxyz:35", "line 2 entry 1: `abcd:30,wxyz:35` is not of the form `videoid:start`"),
        ("3,b'abcd':30", "line 2 entry 1: `b'abcd':30` names a video by Python bytes; decode the id"),
        ("3,abcd:30  wxyz:35", "line 2 entry 2: the entry is empty: a space too many"),
        ("3, abcd:30", "line 2 entry 1: the entry is empty: a space too many"),
        ("3,abcd:30 ", "line 2 entry 2: the entry is empty: a space too many"),
        ("3,abcd:30 wxyz:35 abcd:30", "line 2 entry 3: `abcd:30` is in this list already"),
        ("3,ab\0d:30", "line 2 entry 1: `ab\\x01d:30` names a video that is not in the test set"),
        ("3,abcd\0:30", "line 2 entry 1: `abcd\\x01:30` names a video that is not in the test set"),
        ("4,abcd:30", "line 2: class `4` is not in the vocabulary; the class is the `Index` of the vocabulary"),
        ("x,abcd:30", "line 2: the class is `x`; a whole number of the vocabulary's `Index` is needed"),
        ("-3,abcd:30", "line 2: the class is `-3`; a whole number"),
        ("3;abcd:30", "line 2: `3;abcd:30` is not a class, a comma and a list"),
        ("3,abcd:30\n3,abcd:35", "line 3: class `3` has a list already, in line `2`"),
    ],
)
def test_every_fault_is_refused_with_line_and_entry(read: Callable[..., Reading], line: str, expected: str) -> None:
    reading = read(f"Class,Segments\n{line}\n")
    assert reading.predictions is None
    assert errors(reading)[0].startswith(f"sub.csv {expected}")


def test_faults_of_one_kind_are_gathered_over_all_lines(read: Callable[..., Reading]) -> None:
    bad = " ".join(["zzzz:0"] * 50)
    found = errors(read(f"Class,Segments\n3,{bad}\n1831,{bad}\n7,abcd:30 abcd:31\n"))
    assert len(found) == 4
    assert found[2].startswith("sub.csv line 2 entry 3: `zzzz:0` names a video")
    assert "(and 97 more like it)" in found[2]
    assert found[3].startswith("sub.csv line 4 entry 2: `abcd:31` starts off the grid")


def test_all_kinds_of_fault_are_found_in_one_go(read: Callable[..., Reading]) -> None:
    found = errors(read("Class,Segments\n3,abcd:31 zzzz:0 abcd:0 abcd:0\n4,wxyz:125\n3,abcd\n"))
    kinds = ["off the grid", "not in the test set", "already", "`4` is not in", "beyond", "already, in line", "form"]
    assert [any(kind in each for each in found) for kind in kinds] == [True] * len(kinds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3,abcd:30\n", "line 1: the header is missing; the first line must be `Class,Segments`"),
        ("class,segments\n3,abcd:30\n", "line 1: the header is `class,segments`; `Class,Segments` is needed"),
        ("", ": the file is empty; its first line is `Class,Segments`"),
        ("\n\n", ": the file is empty; its first line is `Class,Segments`"),
        ("Class,Segments\n", ": the file lists no class of the vocabulary"),
    ],
)
def test_a_file_without_header_or_lists_is_refused(read: Callable[..., Reading], text: str, expected: str) -> None:
    found = errors(read(text))
    assert found[0].startswith(f"sub.csv{expected}" if expected[0] == ":" else f"sub.csv {expected}")


@pytest.fixture
def wide(tmp_path: Path) -> tuple[DataSet, Path]:
    """One class and more segments than a list may have."""
    data = DataSet(tmp_path / "wide")
    counts = np.array([1])
    write_vocabulary(
        data.inputs / layout.VOCABULARY,
        Vocabulary(
            indices=np.array([3]),
            knowledge_graph_ids=("",),
            names=("",),
            positive_segments=counts,
            rated_segments=counts,
        ),
    )
    ids = np.array([f"v{number:03d}" for number in range(101)])
    layout.write_videos(data.inputs / layout.VIDEOS, Videos(ids=ids, frames=np.full(101, 5_000)))
    folder = tmp_path / "predictions"
    folder.mkdir()
    return data, folder


def _wide_list(count: int) -> list[str]:
    return [f"v{number // 1000:03d}:{number % 1000 * 5}" for number in range(count)]


def test_a_list_of_exactly_the_cap_is_taken_and_one_more_is_not(wide: tuple[DataSet, Path]) -> None:
    data, folder = wide
    for surplus in (0, 1):
        (folder / SUBMISSION).write_text(f"Class,Segments\n3,{' '.join(_wide_list(CAP + surplus))}\n")
        reading = read_predictions(folder, data, phase=PHASE)
        assert errors(reading) == (
            ["sub.csv line 2: the list has `100001` entries; at most `100000` are allowed; keep the best ones"]
            if surplus
            else []
        )
    (folder / SUBMISSION).write_text(f"Class,Segments\n3,{' '.join(_wide_list(CAP))}\n")
    slots = read_predictions(folder, data, phase=PHASE).predictions.of(0)
    np.testing.assert_array_equal(slots, np.arange(CAP))


def test_an_entry_repeated_far_away_in_the_list_is_found(wide: tuple[DataSet, Path]) -> None:
    data, folder = wide
    entries = _wide_list(CAP)
    entries[99_998] = entries[5]
    (folder / SUBMISSION).write_text(f"Class,Segments\n3,{' '.join(entries)}\n")
    found = errors(read_predictions(folder, data, phase=PHASE))
    assert found == ["sub.csv line 2 entry 99999: `v000:25` is in this list already; list each segment once"]


def test_a_long_line_is_counted_to_its_end_without_being_held(
    read: Callable[..., Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in (layout, vocabulary):  # tables set aside as much as a file may have before they read it
        monkeypatch.setattr(room, "_MAX_BYTES", 1 << 16)
    peaks: list[int] = []
    for count in (500_000, 1_000_000):
        text = f"Class,Segments\n3,abcd:30{' wxyz:35' * count}\n7,zzzz:0\n".encode()
        tracemalloc.start()
        found = errors(read(text))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert any(f"line 2: the list has `{count + 1}` entries" in each for each in found)
        assert any(each.startswith("sub.csv line 3 entry 1: `zzzz:0`") for each in found)
    assert abs(peaks[1] - peaks[0]) < 100_000


def test_a_file_that_no_right_one_can_reach_in_size_is_not_read(wide: tuple[DataSet, Path]) -> None:
    data, folder = wide
    with (folder / SUBMISSION).open("wb") as stream:
        stream.truncate(5_300_000)
    assert "`5.05 MiB`; at most" in errors(read_predictions(folder, data, phase=PHASE))[0]


@pytest.mark.parametrize("line", ["\n", "3,abcd:30\n", "x\n"])
@pytest.mark.parametrize("parity", [False, True])
def test_a_file_of_very_many_lines_is_left_early(read: Callable[..., Reading], line: str, parity: bool) -> None:
    found = errors(read("Class,Segments\n" + line * 100_000, parity=parity))
    assert any("line 1007: the file has more than `1006` lines" in each for each in found)


def test_a_line_of_one_giant_word_is_refused(read: Callable[..., Reading]) -> None:
    found = errors(read("Class,Segments\n3,abcd:30 " + "x" * 4_000_000 + "\n"))
    assert found == ["sub.csv line 2: the line is longer than `2600000` bytes"]


def test_predictions_outlive_the_file_that_they_were_read_from(read: Callable[..., Reading], tmp_path: Path) -> None:
    reading = read(GOOD)
    (tmp_path / "predictions" / SUBMISSION).unlink()
    assert named(reading.predictions, 0) == ["abcd:30", "wxyz:120", "0000:0"]


@pytest.mark.parametrize(("name", "spoil"), BROKEN, ids=[name for name, _ in BROKEN])
def test_every_way_to_spoil_predictions_is_refused_in_a_few_words(name: str, spoil, data: DataSet, tmp_path) -> None:
    folder = tmp_path / "perfect"
    folder.mkdir()
    write_perfect(data, folder)
    assert read_predictions(folder, data, phase=PHASE).problems == ()
    spoil(folder)
    reading = read_predictions(folder, data, phase=PHASE)
    assert reading.predictions is None
    assert 0 < len(errors(reading)) <= 10
    assert all(each.place.startswith(SUBMISSION) and each.message for each in reading.problems)


def test_parity_takes_what_the_official_program_takes(read: Callable[..., Reading]) -> None:
    text = "Class,Segments\n3,zzzz:30 abcd:30 abcd:030 abcd:31  abcd:30 abcd:35\n3,b'abcd':30 abcd:35 wxyz:5\n99,abcd:0"
    reading = read(text, parity=True)
    assert reading.problems == ()
    assert named(reading.predictions, 0) == ["-", "abcd:35", "-"]
    first = read(text.split("\n3,b")[0], parity=True)
    assert named(first.predictions, 0) == ["-", "abcd:30", "-", "-", "-", "abcd:30", "abcd:35"]


def test_parity_reaches_segments_beyond_their_video(read: Callable[..., Reading]) -> None:
    assert named(read("3,a:5 abcd:230", parity=True).predictions, 0) == ["a:5", "abcd:230"]


def test_parity_cuts_where_the_default_refuses(wide: tuple[DataSet, Path]) -> None:
    data, folder = wide
    (folder / SUBMISSION).write_text(f"3,{' '.join(_wide_list(CAP + 3))}\n")
    predictions = read_predictions(folder, data, phase=PHASE, parity=True).predictions
    np.testing.assert_array_equal(predictions.of(0), np.arange(CAP))


def test_parity_still_refuses_what_crashes_the_official_program(read: Callable[..., Reading]) -> None:
    assert "not a class, a comma and a list" in errors(read("3,abcd:30,wxyz:5\n7,abcd:0", parity=True))[0]
    assert "the class is `x`" in errors(read("7,abcd:0\nx,abcd:0", parity=True))[0]


def plain(text: str) -> list[tuple[str, int | None]]:
    """Entry by entry, by the rules as they are written down."""
    found: list[tuple[str, int | None]] = []
    first = np.concatenate([[0], np.cumsum([-(-frames // 5) for frames in FRAMES])]).tolist()
    for token in text.split(" "):
        match = re.fullmatch(r"([^:]+):([^:]+)", token)
        if not match:
            found.append(("SPACE" if not token else "FORM", None))
        elif not re.fullmatch(r"0|[1-9][0-9]{0,7}", match[2]):
            found.append(("START", None))
        elif match[1] not in IDS:
            found.append(("BYTES" if match[1][:2] in ("b'", 'b"') else "VIDEO", None))
        elif int(match[2]) % 5:
            found.append(("GRID", None))
        elif int(match[2]) >= FRAMES[IDS.index(match[1])]:
            found.append(("BEYOND", None))
        else:
            found.append(("NONE", first[IDS.index(match[1])] + int(match[2]) // 5))
    return found


tokens = st.one_of(
    st.builds("{}:{}".format, st.sampled_from([*IDS, "zzzz", "b'a'"]), st.integers(0, 400)),
    st.builds("{}:{}".format, st.sampled_from(IDS), st.integers(0, 60).map(lambda slot: slot * 5)),
    st.text(alphabet="ab:05 '", max_size=10),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=255), max_size=12),
)


@settings(max_examples=300)
@given(st.lists(tokens, min_size=1, max_size=20), st.integers(0, 5))
def test_entries_are_those_of_a_plain_reader(parts: list[str], before: int) -> None:
    text = " ".join(parts)
    if not text:
        return
    grid = SegmentGrid(Videos(ids=np.array(IDS), frames=np.array(FRAMES)))
    raw = b"x" * before + text.encode("latin-1")
    padded = np.frombuffer(raw + bytes(grid.padding), dtype=np.uint8)
    found = read_entries(padded, before, len(raw), grid)
    got = [
        (Flaw(flaw).name, slot if slot >= 0 else None)
        for flaw, slot in zip(found.flaw.tolist(), found.slot.tolist(), strict=True)
    ]
    assert got == plain(text)


@given(st.lists(st.text(alphabet="ab:5", max_size=6), min_size=1, max_size=30), st.integers(1, 9))
def test_windows_cut_at_spaces_and_lose_nothing(parts: list[str], size: int) -> None:
    raw = ("3," + " ".join(parts)).encode()
    before, entries_module._WINDOW_BYTES = entries_module._WINDOW_BYTES, size
    try:
        cut = [raw[begin:end].decode() for begin, end in windows(raw, 2, len(raw))]
    finally:
        entries_module._WINDOW_BYTES = before
    assert " ".join(cut) == " ".join(parts)


long_ids = st.lists(st.text(alphabet="abAB01-_", min_size=1, max_size=20), min_size=1, max_size=30, unique=True)


@given(long_ids, st.lists(st.text(alphabet="abAB01-_", min_size=1, max_size=22), max_size=30))
def test_ids_of_any_length_are_found_and_others_are_not(known: list[str], asked: list[str]) -> None:
    grid = SegmentGrid(Videos(ids=np.array(known), frames=np.full(len(known), 10)))
    names = [*asked, *known]
    raw = "".join(names).encode()
    ends = np.cumsum([len(each) for each in names])
    begins = ends - [len(each) for each in names]
    text = np.frombuffer(raw + bytes(grid.padding), dtype=np.uint8)
    expected = [known.index(each) if each in known else -1 for each in names]
    assert grid.locate(text, begins, ends).tolist() == expected
    assert grid.find(np.array(names)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,frames\nabcd,10\nabcd,20\n", "names a video twice"),
        ("id,frames\na:b,10\n", "holds the id `a:b`"),
        ("id,frames\n", "names no video"),
        ("id,frames\nabcd,0\n", "is broken"),
        ("video,frames\nabcd,9\n", "is broken"),
    ],
)
def test_a_broken_table_of_videos_is_the_data_sets_fault(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / layout.VIDEOS).write_text(text)
    with pytest.raises(ChallengeError, match=expected):
        layout.read_videos(tmp_path / layout.VIDEOS)
