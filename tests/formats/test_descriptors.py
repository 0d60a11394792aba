"""Descriptor files: what is read, what is refused, and that nothing a stranger writes makes the reader fall over."""

import io
import os
import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.formats.descriptors import DescriptorReading, Descriptors, read_descriptors, write_descriptors
from podium.types import Severity

IDS = np.array(["Q100001", "Q100001", "Q100002"])
FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4)
TIMES = np.array([[0.0, 1.0], [1.0, 2.0], [0.0, 1.0]])


def read(path: Path, **changes) -> DescriptorReading:
    return read_descriptors(path, **({"letter": "Q", "max_rows": 100} | changes))


def saved(path: Path, **changes) -> Path:
    np.savez(path, **({"video_ids": IDS, "features": FEATURES, "timestamps": TIMES} | changes))
    return path


def errors(reading: DescriptorReading) -> list[str]:
    assert reading.descriptors is None
    assert reading.problems
    return [str(each) for each in reading.problems if each.severity is Severity.ERROR]


def only_error(reading: DescriptorReading) -> str:
    """The one fault; further rows with the same one are fine."""
    found = errors(reading)
    kinds = {re.sub(r"`[^`]*`|row \d+|\(and .*?\)", "", each) for each in found}
    assert len(kinds) == 1, found
    return found[0]


def npy(header: str, content: bytes = b"", *, version: int = 1) -> bytes:
    raw = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + content


def npz_of(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def member(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def good_members() -> dict[str, bytes]:
    return {"video_ids": member(IDS), "features": member(FEATURES), "timestamps": member(TIMES)}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read_as_it_was(tmp_path, save):
    save(tmp_path / "query.npz", video_ids=IDS, features=FEATURES, timestamps=TIMES)
    reading = read(tmp_path / "query.npz")
    assert reading.problems == ()
    found = reading.descriptors
    assert found.video_ids.tolist() == IDS.tolist()
    np.testing.assert_array_equal(found.features_ND, FEATURES)
    np.testing.assert_array_equal(found.timestamps_N2, TIMES)
    assert found.features_ND.dtype == np.float32
    assert found.timestamps_N2.dtype == np.float64


def test_rows_are_counted_per_video():
    found = Descriptors(video_ids=IDS, features_ND=FEATURES, timestamps_N2=TIMES)
    assert found.videos.tolist() == ["Q100001", "Q100002"]
    assert found.rows_per_video.tolist() == [2, 1]
    assert found.row_video.tolist() == [0, 0, 1]
    assert found.first_rows.tolist() == [0, 2, 3]
    assert len(found) == 3


def test_no_rows_make_no_videos():
    found = Descriptors(video_ids=IDS[:0], features_ND=FEATURES[:0], timestamps_N2=TIMES[:0])
    assert found.videos.tolist() == []
    assert found.rows_per_video.tolist() == []
    assert found.row_video.tolist() == []


def test_stored_features_are_mapped_and_packed_ones_are_not(tmp_path):
    write_descriptors(tmp_path / "a.npz", IDS, FEATURES, TIMES)
    mapped = read(tmp_path / "a.npz").descriptors.features_ND
    assert isinstance(mapped.base, np.memmap)
    assert mapped.flags.aligned
    assert not mapped.flags.writeable
    np.savez_compressed(tmp_path / "b.npz", video_ids=IDS, features=FEATURES, timestamps=TIMES)
    assert read(tmp_path / "b.npz").descriptors.features_ND.flags.owndata is False
    assert not isinstance(read(tmp_path / "b.npz").descriptors.features_ND.base, np.memmap)


def test_features_in_fortran_order_are_read(tmp_path):
    turned = np.asfortranarray(FEATURES)
    found = read(saved(tmp_path / "query.npz", features=turned)).descriptors.features_ND
    np.testing.assert_array_equal(found, FEATURES)
    assert found.flags.c_contiguous


def test_points_in_time_become_intervals_without_length(tmp_path):
    found = read(saved(tmp_path / "query.npz", timestamps=np.array([0.5, 1.5, 2.5], dtype=np.float32))).descriptors
    assert found.timestamps_N2.tolist() == [[0.5, 0.5], [1.5, 1.5], [2.5, 2.5]]


@pytest.mark.parametrize("dtype", ["i4", "<i8", ">i8", "u2"])
def test_integer_ids_get_their_letter_and_zeros(tmp_path, dtype):
    found = read(saved(tmp_path / "query.npz", video_ids=np.array([7, 7, 1234], dtype=dtype))).descriptors
    assert found.video_ids.tolist() == ["Q000007", "Q000007", "Q001234"]


def test_wide_and_foreign_text_ids_are_read(tmp_path):
    for dtype in ("<U20", ">U7"):
        found = read(saved(tmp_path / "query.npz", video_ids=IDS.astype(dtype))).descriptors
        assert found.video_ids.tolist() == IDS.tolist()


def test_without_a_letter_any_text_is_an_id(tmp_path):
    names = np.array(["a", "bear-01", "ü"])
    assert (
        read(saved(tmp_path / "x.npz", video_ids=names), letter=None).descriptors.video_ids.tolist() == names.tolist()
    )


@pytest.mark.parametrize("names", [["", "a", "b"], ["a\nb", "c", "d"], ["a b", "c", "d"], ["a\x7f", "b", "c"]])
def test_without_a_letter_ids_must_still_be_printable(tmp_path, names):
    reading = read(saved(tmp_path / "x.npz", video_ids=np.array(names)), letter=None)
    assert "printable text is needed" in only_error(reading)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"features": FEATURES.astype("f8")}, "the dtype is `float64`; `float32` is needed; convert with"),
        ({"features": FEATURES.astype("f2")}, "the dtype is `float16`"),
        ({"features": FEATURES.astype(">f4")}, "the dtype is `float32 (big-endian)`"),
        ({"features": FEATURES.astype("i4")}, "the dtype is `int32`"),
        ({"features": FEATURES[:, 0]}, "features: the shape is `(3,)`; `(N, D)` is needed"),
        ({"features": FEATURES.reshape(3, 2, 2)}, "the shape is `(3, 2, 2)`"),
        ({"features": np.zeros((3, 513), np.float32)}, "a row has `513` dimensions; `1` to `512` are allowed"),
        ({"features": np.zeros((3, 0), np.float32)}, "a row has `0` dimensions"),
        ({"features": FEATURES[:2]}, "differ in their number of rows: `video_ids` has `3`, `features` has `2`"),
        ({"timestamps": TIMES[:2]}, "`timestamps` has `2`"),
        ({"timestamps": np.zeros((3, 3))}, "the shape is `(3, 3)`; `(N,)`, or `(N, 2)`"),
        ({"timestamps": np.array(["0", "1", "2"])}, "the dtype is `<U1`; seconds"),
        ({"timestamps": np.zeros(3, complex)}, "the dtype is `complex128`"),
        ({"timestamps": np.zeros(3, bool)}, "timestamps: the dtype is `bool`"),
        ({"timestamps": np.array([0, np.nan, 1])}, "row 1: the timestamp is `nan` to `nan`; finite seconds"),
        ({"timestamps": np.array([[0, 1], [0, np.inf], [0, 1]])}, "row 1: the timestamp is `0` to `inf`"),
        ({"video_ids": IDS.astype("S")}, "the dtype is `|S7`; text (`<U7`) or integers are needed; convert with"),
        ({"video_ids": IDS.astype(object)}, "Python objects (`dtype=object`), which are never loaded"),
        ({"video_ids": IDS[:, None]}, "the shape is `(3, 1)`; `(N,)` is needed"),
        ({"video_ids": np.array([1.0, 2.0, 3.0])}, "the dtype is `float64`; text"),
        ({"video_ids": IDS[::-1]}, "row 1: `Q100001` comes after `Q100002`; ids must be in ascending order; sort the"),
        ({"video_ids": np.array(["R100001"] * 3)}, "row 0: the id is `R100001`; `Q` and six digits are needed"),
        ({"video_ids": np.array(["Q1", "Q2", "Q3"])}, "the id is `Q1`"),
        ({"video_ids": np.array(["Q100001x", "Q100002", "Q100003"])}, "the id is `Q100001x`"),
        ({"video_ids": np.array(["Q10000١", "Q100002", "Q100003"])}, "the id is `Q10000١`"),
        ({"video_ids": np.array([-1, 1, 2])}, "row 0: the id is `-1`"),
        ({"video_ids": np.array([1, 2, 1_000_000])}, "row 2: the id is `1000000`"),
        ({"video_ids": np.array(["Q100001" + "x" * 60, "a", "b"])}, "ids of 1 to `64` characters"),
        ({"more": IDS}, "the file holds `more.npy`; the arrays `video_ids`, `features`, `timestamps` are allowed"),
    ],
)
def test_each_fault_of_an_array_gives_one_clear_message(tmp_path, changes, wanted):
    assert wanted in only_error(read(saved(tmp_path / "query.npz", **changes)))


def test_no_rows_are_refused(tmp_path):
    empty = saved(tmp_path / "q.npz", video_ids=IDS[:0], features=FEATURES[:0], timestamps=TIMES[:0])
    assert only_error(read(empty)) == "q.npz: the file has no rows"


def test_no_rows_in_one_array_are_told(tmp_path):
    for name, array in (("video_ids", IDS), ("features", FEATURES), ("timestamps", TIMES)):
        assert "differ in their number of rows" in only_error(read(saved(tmp_path / "q.npz", **{name: array[:0]})))


def test_too_many_rows_are_refused_before_they_are_loaded(tmp_path):
    reading = read(saved(tmp_path / "q.npz"), max_rows=2)
    assert only_error(reading) == "q.npz: the file has `3` rows; at most `2` are allowed"


@pytest.mark.parametrize(("value", "word"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_features_that_are_not_finite_are_named_by_row_and_dimension(tmp_path, value, word, save):
    features = FEATURES.copy()
    features[1, 2] = value
    save(tmp_path / "q.npz", video_ids=IDS, features=features, timestamps=TIMES)
    message = only_error(read(tmp_path / "q.npz"))
    assert message == f"q.npz row 1: the feature in dimension `2` is `{word}`; finite numbers are needed"


def test_descriptors_so_long_that_inner_products_overflow_are_refused(tmp_path):
    features = FEATURES.copy()
    features[2] = 1e19
    assert "row 2: the descriptor is `2e+19` long" in only_error(read(saved(tmp_path / "q.npz", features=features)))


def test_many_bad_rows_give_three_examples_and_the_count(tmp_path):
    rows = 50_000
    features = np.zeros((rows, 4), dtype=np.float32)
    features[100:, 1] = np.nan
    path = saved(
        tmp_path / "q.npz",
        video_ids=np.full(rows, "Q100001"),
        features=features,
        timestamps=np.arange(rows, dtype=np.float64),
    )
    problems = read(path, max_rows=rows).problems
    assert [each.place for each in problems] == ["q.npz row 100", "q.npz row 101", "q.npz row 102"]
    assert sum(each.count for each in problems) == rows - 100


def test_faults_of_several_arrays_are_all_told_at_once(tmp_path):
    path = saved(
        tmp_path / "q.npz",
        video_ids=IDS.astype("S"),
        features=FEATURES.astype("f8"),
        timestamps=np.array(["a", "b", "c"]),
    )
    assert [each.place for each in read(path).problems] == ["q.npz video_ids", "q.npz features", "q.npz timestamps"]


def test_negative_times_only_warn(tmp_path):
    reading = read(saved(tmp_path / "q.npz", timestamps=np.array([[-1, 1], [0, 1], [0, 1]], dtype=float)))
    assert reading.valid
    assert [each.severity for each in reading.problems] == [Severity.WARNING]
    assert "times begin at `0`" in reading.problems[0].message


def test_an_end_before_its_start_is_refused(tmp_path):
    message = only_error(read(saved(tmp_path / "q.npz", timestamps=np.array([[2, 1], [0, 1], [0, 1]], dtype=float))))
    assert message == "q.npz row 0: the timestamp is `2` to `1`; the start must not come after the end"


def test_a_missing_array_is_named_with_how_to_write_the_file(tmp_path):
    np.savez(tmp_path / "q.npz", video_ids=IDS, features=FEATURES)
    message = only_error(read(tmp_path / "q.npz"))
    assert message.startswith("q.npz: the array `timestamps` is missing")
    assert "numpy.savez(path, video_ids=…" in message


def test_arrays_without_names_are_told_apart(tmp_path):
    np.savez(tmp_path / "q.npz", IDS, FEATURES, TIMES)
    assert "`arr_0.npy`" in errors(read(tmp_path / "q.npz"))[0]


def test_files_of_another_kind_are_refused(tmp_path):
    contents = {
        "empty": (b"", "the file is empty"),
        "text": (b"video_ids,features\n", "this is no npz file"),
        "single": (member(FEATURES), "this is a single NPY array"),
        "pickle": (pickle.dumps({"video_ids": ["Q100001"]}), "this is no npz file"),
        "half": ((saved(tmp_path / "whole.npz")).read_bytes()[:300], "cut off"),
    }
    for name, (content, wanted) in contents.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        assert wanted in only_error(read(path))


def test_links_folders_pipes_and_missing_files_are_refused(tmp_path):
    saved(tmp_path / "real.npz")
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    assert "this is a link" in only_error(read(tmp_path / "link.npz"))
    assert "this is a folder" in only_error(read(tmp_path / "folder.npz"))
    assert "a pipe, socket or device" in only_error(read(tmp_path / "pipe.npz"))
    assert "the file is missing" in only_error(read(tmp_path / "none.npz"))


def test_a_file_over_its_size_is_not_opened(tmp_path):
    assert "at most `10 bytes` are allowed" in only_error(read(saved(tmp_path / "q.npz"), max_bytes=10))


class Bomb:
    """Leaves a trace when somebody unpickles it."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_a_pickle_inside_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = npz_of(tmp_path / "q.npz", good_members() | {"video_ids": member(np.array([Bomb()] * 3, dtype=object))})
    assert "Python objects" in only_error(read(path))
    assert not (tmp_path / "unpickled").exists()


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 512), }"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (HUGE, "needs `8192000000"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (99999999999999999, 99999999999999999), }", "needs"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 1), }", "no list of lengths"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4), }", "damaged or was not written by numpy"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)} + __import__('os').getcwd()", "damaged"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 4), }", "records"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }", "Python objects"),
        ("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3, 4), }", "`<M8[ns]` is not read"),
        ("{'descr': '<f5', 'fortran_order': False, 'shape': (3, 4), }", "`<f5` is unknown"),
        ("(" * 4000, "damaged"),
        ("-" * 4000 + "1", "damaged"),
        (" " * 5000, "at most `4096` are allowed"),
        ("", "damaged"),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_hostile_array_header_is_refused(tmp_path, header, wanted, compression):
    path = npz_of(tmp_path / "q.npz", good_members() | {"features": npy(header, bytes(48))}, compression)
    assert wanted in only_error(read(path))


def test_an_unknown_npy_version_is_refused(tmp_path):
    raw = bytearray(member(FEATURES))
    raw[6] = 9
    path = npz_of(tmp_path / "q.npz", good_members() | {"features": bytes(raw)})
    assert "the NPY format version is `9`" in only_error(read(path))


def test_newer_npy_versions_are_read(tmp_path):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n"
    for version in (2, 3):
        content = npy(header, FEATURES.tobytes(), version=version)
        found = read(npz_of(tmp_path / f"{version}.npz", good_members() | {"features": content})).descriptors
        np.testing.assert_array_equal(found.features_ND, FEATURES)


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_does(tmp_path):
    zeros = np.zeros((200_000, 64), dtype=np.float32)
    says = npz_of(tmp_path / "says.npz", good_members() | {"features": member(zeros)}, zipfile.ZIP_DEFLATED)
    assert says.stat().st_size < 1 << 20
    assert "the arrays unpack to `48.83 MiB`" in only_error(read(says, max_rows=1 << 30, max_bytes=10 << 20))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
    lies = npz_of(
        tmp_path / "lies.npz",
        good_members() | {"features": npy(header.decode(), bytes(50 << 20))},
        zipfile.ZIP_DEFLATED,
    )
    raw = bytearray(lies.read_bytes())
    true_size = struct.pack("<I", len(npy(header.decode(), bytes(50 << 20))))
    raw = raw.replace(true_size, struct.pack("<I", len(npy(header.decode(), bytes(48)))))
    lies.write_bytes(raw)
    assert "longer than" in only_error(read(lies))


def test_a_changed_byte_is_found_by_the_checksum(tmp_path):
    for compress in (False, True):
        path = tmp_path / f"{compress}.npz"
        (np.savez_compressed if compress else np.savez)(path, video_ids=IDS, features=FEATURES, timestamps=TIMES)
        raw = bytearray(path.read_bytes())
        at = raw.rfind(b"features.npy", 0, raw.find(b"timestamps.npy")) + 32 + (128 if not compress else 40)
        raw[at + 20] ^= 1
        path.write_bytes(raw)
        assert "damaged" in only_error(read(path)) or "longer" in only_error(read(path))


def test_characters_beyond_unicode_do_not_reach_a_message(tmp_path):
    ids = IDS.copy()
    ids.view(np.uint32).reshape(3, 7)[1] = [0x7FFFFFFF, 0xD800, 27, 0, 0, 0, 5]
    for letter in ("Q", None):
        message = only_error(read(saved(tmp_path / "q.npz", video_ids=ids), letter=letter))
        message.encode("utf-8")
        assert "\x1b" not in message


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    path = saved(tmp_path / "q.npz")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("features.npy", member(FEATURES))
    assert "the array `features` is there twice" in only_error(read(path))


def test_encrypted_and_oddly_packed_arrays_are_refused(tmp_path):
    path = npz_of(tmp_path / "q.npz", good_members(), zipfile.ZIP_BZIP2)
    assert all("method `12`" in each for each in errors(read(path)))


def test_what_is_written_reads_back_and_is_what_numpy_reads(tmp_path):
    path = tmp_path / "q.npz"
    write_descriptors(path, IDS, FEATURES.astype("f8"), TIMES)
    with np.load(path, allow_pickle=False) as stored:
        assert list(stored) == ["video_ids", "features", "timestamps"]
        assert stored["video_ids"].dtype == np.dtype("<U7")
        assert stored["features"].dtype == np.dtype("<f4")
        np.testing.assert_array_equal(stored["features"], FEATURES)
        np.testing.assert_array_equal(stored["timestamps"], TIMES)


def test_equal_arrays_give_equal_bytes(tmp_path):
    write_descriptors(tmp_path / "a.npz", IDS, FEATURES, TIMES)
    write_descriptors(tmp_path / "b.npz", IDS.copy(), FEATURES.copy(), TIMES.copy())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_writing_sorts_by_id_and_keeps_the_order_within_one(tmp_path):
    ids = np.array(["Q100002", "Q100001", "Q100002", "Q100001"])
    features = np.arange(4, dtype=np.float32)[:, None]
    write_descriptors(tmp_path / "q.npz", ids, features, np.arange(4.0))
    found = read(tmp_path / "q.npz").descriptors
    assert found.video_ids.tolist() == sorted(ids.tolist())
    assert found.features_ND[:, 0].tolist() == [1, 3, 0, 2]


def test_arrays_that_do_not_fit_are_not_written(tmp_path):
    with pytest.raises(UsageError, match="descriptors need"):
        write_descriptors(tmp_path / "q.npz", IDS, FEATURES[:2], TIMES)
    with pytest.raises(UsageError, match="descriptors need"):
        write_descriptors(tmp_path / "q.npz", IDS.astype("S"), FEATURES, TIMES)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.integers(0, 999_999), min_size=1, max_size=40),
    dimensions=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    interval=st.booleans(),
    packed=st.booleans(),
)
def test_any_descriptors_survive_the_file(tmp_path, numbers, dimensions, seed, interval, packed):
    rows = len(numbers)
    rng = np.random.default_rng(seed)
    ids = np.array([f"Q{number:06d}" for number in numbers])
    features = (rng.standard_normal((rows, dimensions)) * 10.0 ** rng.integers(-30, 17)).astype(np.float32)
    starts = rng.uniform(0, 1e4, rows)
    times = np.stack([starts, starts + 1], axis=1) if interval else starts
    path = tmp_path / "q.npz"
    order = np.argsort(ids, kind="stable")
    if packed:
        np.savez_compressed(path, video_ids=ids[order], features=features[order], timestamps=times[order])
    else:
        write_descriptors(path, ids, features, times)
    reading = read(path)
    assert reading.problems == ()
    found = reading.descriptors
    assert found.video_ids.tolist() == ids[order].tolist()
    np.testing.assert_array_equal(found.features_ND, features[order])
    np.testing.assert_array_equal(found.timestamps_N2[:, 0], starts[order])
    assert int(found.rows_per_video.sum()) == rows
    assert found.videos[found.row_video].tolist() == found.video_ids.tolist()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), packed=st.booleans())
def test_no_damage_makes_the_reader_raise(tmp_path, data, packed):
    path = tmp_path / "q.npz"
    (np.savez_compressed if packed else np.savez)(path, video_ids=IDS, features=FEATURES, timestamps=TIMES)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(1, 4))] = data.draw(st.binary(min_size=0, max_size=6))
        if not raw:
            break
    path.write_bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))] if data.draw(st.booleans()) else raw)
    reading = read(path)
    assert reading.valid or any(each.severity is Severity.ERROR for each in reading.problems)
    assert not (reading.valid and any(each.severity is Severity.ERROR for each in reading.problems))
    for each in reading.problems:
        str(each).encode("utf-8")


def test_damage_is_never_taken_for_other_numbers(tmp_path):
    path = saved(tmp_path / "q.npz")
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        found = read(path).descriptors
        if found is not None:
            np.testing.assert_array_equal(found.features_ND, FEATURES)
            assert found.video_ids.tolist() == IDS.tolist()
            np.testing.assert_array_equal(found.timestamps_N2, TIMES)


def test_the_checksum_of_a_mapped_array_covers_its_header(tmp_path):
    path = saved(tmp_path / "q.npz")
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("features.npy")
        assert zlib.crc32(raw) == archive.getinfo("features.npy").CRC
    changed = path.read_bytes().replace(b"'shape': (3, 4)", b"'shape': (4, 3)")
    path.write_bytes(changed)
    assert "features" in " ".join(errors(read(path)))
