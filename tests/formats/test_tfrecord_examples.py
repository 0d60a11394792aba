"""Records as values, quantisation by the official formulas, and every way in which a record may not fit together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import ChallengeError, UsageError
from podium.formats.faults import Faults
from podium.formats.tfrecord import (
    MalformedError,
    dequantise,
    encode_example,
    encode_frame_record,
    encode_sequence_example,
    encode_video_record,
    parse_frame_context,
    parse_frame_record,
    parse_frame_views,
    parse_video_record,
    quantise,
    read_frame_records,
    write_shard,
)

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (130, 1024), dtype=np.uint8)
AUDIO = RNG.integers(0, 256, (130, 128), dtype=np.uint8)


def record(frames=130, **changes):
    whole = {"video_id": "ab12", "labels": [0, 3861], "rgb_TC": RGB[:frames], "audio_TC": AUDIO[:frames]}
    return encode_frame_record(**(whole | changes))


def rated(starts, labels=None, scores=None, **changes):
    labels = [7] * len(starts) if labels is None else labels
    scores = [1.0] * len(starts) if scores is None else scores
    return record(segment_start_times=starts, segment_labels=labels, segment_scores=scores, **changes)


def test_a_test_video_has_frames_and_neither_labels_nor_ratings():
    found = parse_frame_record(record(labels=[]))
    assert found.video_id == "ab12"
    assert found.labels.tolist() == []
    assert found.labels.dtype == np.int64
    assert not found.rated
    assert (found.segment_start_times, found.segment_labels, found.segment_scores) == (None, None, None)
    assert found.faulty_ratings.tolist() == []


def test_frames_are_one_array_and_two_views_of_it():
    found = parse_frame_record(record())
    assert np.array_equal(found.features_TC, np.concatenate([RGB, AUDIO], axis=1))
    assert np.array_equal(found.rgb_TC, RGB)
    assert np.array_equal(found.audio_TC, AUDIO)
    assert found.rgb_TC.base is found.features_TC
    assert found.audio_TC.base is found.features_TC
    assert found.features_TC.flags.writeable


def test_a_rated_video_carries_every_rating_in_its_order():
    found = parse_frame_record(rated([35, 30, 30], [7, 7, 1831], [0.0, 1.0, 1.0]))
    assert found.rated
    assert found.segment_start_times is not None
    assert found.segment_labels is not None
    assert found.segment_scores is not None
    assert found.segment_start_times.tolist() == [35, 30, 30]
    assert found.segment_labels.tolist() == [7, 7, 1831]
    assert found.segment_scores.tolist() == [0, 1, 1]
    assert found.segment_scores.dtype == np.float32


def test_a_rating_outside_the_video_is_flagged_and_a_partial_last_segment_is_not():
    found = parse_frame_record(rated([0, 10, 15, 20, -5], frames=12))
    assert found.faulty_ratings.tolist() == [False, False, True, True, True]


def test_a_rating_that_begins_right_behind_the_last_frame_is_flagged():
    assert parse_frame_record(rated([10], frames=10)).faulty_ratings.tolist() == [True]
    assert parse_frame_record(rated([10], frames=11)).faulty_ratings.tolist() == [False]


def test_files_of_2016_call_the_id_video_id():
    assert parse_frame_record(record(id_key="video_id")).video_id == "ab12"


def test_a_video_without_frames_is_a_video_of_no_seconds():
    assert parse_frame_record(record(frames=0)).features_TC.shape == (0, 1152)


def test_means_come_back_as_they_were():
    rgb, audio = RNG.normal(size=1024).astype(np.float32), RNG.normal(size=128).astype(np.float32)
    found = parse_video_record(encode_video_record(video_id="zz", labels=[5], mean_rgb=rgb, mean_audio=audio))
    assert (found.video_id, found.labels.tolist()) == ("zz", [5])
    assert np.array_equal(found.mean_rgb, rgb)
    assert np.array_equal(found.mean_audio, audio)
    assert found.mean_rgb.flags.writeable


CONTEXT = {"id": b"ab", "labels": np.array([1])}
LISTS = {"rgb": RGB[:2], "audio": AUDIO[:2]}


@pytest.mark.parametrize(
    ("context", "lists", "message"),
    [
        ({"labels": np.array([1])}, LISTS, r"the record has no `id` \(nor `video_id`\)"),
        ({"id": [b"a", b"b"]}, LISTS, "`id` has `2` values; one is needed"),
        ({"id": b""}, LISTS, "`id` is ``; `1` to `64` printable characters are needed"),
        ({"id": b"a" * 65}, LISTS, "printable characters are needed"),
        ({"id": b"a\nb"}, LISTS, "printable characters are needed"),
        ({"id": b"\xff"}, LISTS, "printable characters are needed"),
        ({"id": np.array([1])}, LISTS, "of the kind `int64`; `bytes` is needed"),
        ({"id": b"a", "labels": b"x"}, LISTS, "of the kind `bytes`; `int64` is needed"),
        (CONTEXT, {"rgb": RGB[:2]}, "the record has no frames called `audio`"),
        (CONTEXT, {"audio": AUDIO[:2]}, "the record has no frames called `rgb`"),
        (CONTEXT, {"rgb": RGB[:3], "audio": AUDIO[:2]}, "`3` frames of `rgb` and `2` of `audio`"),
        (CONTEXT, {"rgb": RGB[:2, :1000], "audio": AUDIO[:2]}, "frame `0` has `1000` bytes; one of `1024` bytes"),
        (
            CONTEXT | {"segment_start_times": np.array([5, 10]), "segment_labels": np.array([1])},
            LISTS,
            "`2` start times, `1` labels and `0` scores; equally many are needed",
        ),
    ],
)
def test_a_record_that_does_not_fit_together_is_malformed(context, lists, message):
    with pytest.raises(MalformedError, match=message):
        parse_frame_record(encode_sequence_example(context, lists))


def test_means_of_another_length_are_malformed():
    with pytest.raises(MalformedError, match="`mean_audio` has `0` numbers; `128` are needed"):
        parse_video_record(encode_example({"id": b"a", "mean_rgb": np.zeros(1024)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rgb_TC": RGB.astype(np.float32)}, "`rgb` is `float32`"),
        ({"rgb_TC": RGB[:, :5]}, r"`rgb` is `uint8` `\(130, 5\)`"),
        ({"audio_TC": AUDIO[:9]}, r"`audio` is `uint8` `\(9, 128\)`; `uint8` `\(130, 128\)` is needed"),
        ({"labels": [0.5]}, "`labels` is `float64`"),
        ({"segment_start_times": [5]}, "one of them is missing"),
        ({"segment_start_times": [5], "segment_labels": [1, 2], "segment_scores": [1]}, "one for all is needed"),
    ],
)
def test_a_record_that_would_not_fit_together_is_not_made(changes, message):
    with pytest.raises(UsageError, match=message):
        record(**changes)


def test_a_malformed_record_is_refused_or_skipped_by_file_and_byte(tmp_path):
    bad = encode_sequence_example({"id": b"bad"}, {"rgb": RGB[:1]})
    path = tmp_path / "validate0001.tfrecord"
    write_shard(path, [record(), bad, rated([30])])
    with pytest.raises(ChallengeError, match=rf"{path} byte {len(record()) + 16}: the record has no frames"):
        list(read_frame_records(path))
    faults = Faults("data/segment/train")
    assert [each.rated for each in read_frame_records(path, on_fault="skip", faults=faults)] == [False, True]
    assert faults.problems[0].place == f"data/segment/train {path.name} byte {len(record()) + 16}"


@given(place=st.integers(0, 2**31), value=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=300)
def test_a_mutated_record_is_parsed_or_malformed_and_keeps_its_shape(place, value, cut):
    payload = bytearray(rated([0, 5], frames=3))
    small = [*range(120), *range(120, len(payload), 97)]
    at = small[place % len(small)]
    payload[at] = value
    if cut:
        del payload[at:]
    try:
        found = parse_frame_record(memoryview(bytes(payload)))
    except MalformedError:
        return
    assert found.features_TC.shape[1] == 1152
    assert found.features_TC.dtype == np.uint8
    if found.rated:
        assert found.segment_labels is not None
        assert found.faulty_ratings.shape == found.segment_labels.shape


def test_stored_bytes_stand_for_the_official_numbers():
    assert dequantise(np.array([0, 255], dtype=np.uint8)).tolist() == [-1.9921875, 2.0078125]
    every = np.arange(256, dtype=np.uint8)
    exact = every.astype(np.float64) * 4 / 255 - 2 + 1 / 128
    assert np.abs(dequantise(every) - exact).max() < 1e-6
    assert dequantise(every).dtype == np.float32


def test_features_are_stored_as_the_official_extractor_stores_them():
    assert quantise([-9, -2, -1, 0, 1, 2, 9, np.inf, -np.inf]).tolist() == [0, 0, 64, 128, 191, 255, 255, 255, 0]
    with pytest.raises(UsageError, match="NaN"):
        quantise([0.0, np.nan])


@given(st.lists(st.floats(-2, 2, width=32), min_size=1))
def test_a_number_comes_back_too_high_by_the_official_bias_and_within_half_a_step(numbers):
    gap = dequantise(quantise(numbers)).astype(np.float64) - np.array(numbers) - 1 / 128
    assert np.abs(gap).max() <= 2 / 255 + 1e-6


def test_every_byte_survives_being_read_as_a_number_and_stored_again():
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantise(dequantise(every)), every)


def test_a_context_is_the_record_without_its_features():
    payload = rated([0, 5, 500], [7, 8, 9], [1.0, 0.0, 1.0])
    found, whole = parse_frame_context(payload), parse_frame_record(payload)
    assert found.frames == len(whole.features_TC) == 130
    for name in ("labels", "segment_start_times", "segment_labels", "segment_scores"):
        assert np.array_equal(getattr(found, name), getattr(whole, name))
    assert found.video_id == whole.video_id
    assert parse_frame_context(record()).segment_labels is None
    assert parse_frame_context(record(frames=0)).frames == 0


def test_views_are_the_features_where_they_lie():
    payload = record()
    rgb_TC, audio_TC = parse_frame_views(payload)
    assert np.array_equal(rgb_TC, RGB)
    assert np.array_equal(audio_TC, AUDIO)
    whole = np.frombuffer(payload, dtype=np.uint8)
    assert np.shares_memory(rgb_TC, whole)
    assert np.shares_memory(audio_TC, whole)


@pytest.mark.parametrize("parse", [parse_frame_context, parse_frame_views, parse_frame_record])
def test_frames_that_do_not_fit_together_are_refused_by_every_parser(parse):
    context = {"id": b"ab"}
    with pytest.raises(MalformedError, match="no frames called `audio`"):
        parse(encode_sequence_example(context, {"rgb": RGB}))
    with pytest.raises(MalformedError, match="`130` frames of `rgb` and `129` of `audio`"):
        parse(encode_sequence_example(context, {"rgb": RGB, "audio": AUDIO[:129]}))
