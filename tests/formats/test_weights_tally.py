"""What counts as a parameter, and what may be left out up to where."""

from __future__ import annotations

from podium.formats.weights import FREE_CONSTANT_BYTES, FREE_STATISTICS, Role, Tensor, WeightFile, WeightKind, tally
from podium.formats.weights.tensors import bits, plain_role, with_statistics


def tensor(name: str, elements: int, *, dtype: str = "float32", role: Role | None = None) -> Tensor:
    return Tensor(
        name=name,
        shape=(elements,),
        dtype=dtype,
        elements=elements,
        stored_bytes=elements * bits(dtype) // 8,
        role=role or plain_role(dtype),
    )


def file(*tensors: Tensor) -> WeightFile:
    return WeightFile(kind=WeightKind.SAFETENSORS, tensors=with_statistics(tensors), digest="", size_bytes=0)


def test_every_width_of_weights_counts_one_for_each_number() -> None:
    every = [tensor(each, 10, dtype=each) for each in ("float64", "float16", "bfloat16", "float8", "int8", "uint8")]
    assert tally([file(*every)]).parameters == 60
    assert tally([file(tensor("a", 10, dtype="complex64"))]).parameters == 20


def test_small_tables_of_integers_do_not_count_and_large_ones_count_by_the_byte() -> None:
    free = FREE_CONSTANT_BYTES // 8
    assert tally([file(tensor("a", free, dtype="int64"))]).parameters == 0
    large = tally([file(tensor("a", free + 1, dtype="int64"))])
    assert large.parameters == large.counted_constants == 8 * (free + 1)


def test_constants_of_many_files_share_one_allowance() -> None:
    half = FREE_CONSTANT_BYTES // 16 + 1
    one = file(tensor("a", half, dtype="int64"))
    assert tally([one]).parameters == 0
    assert tally([one, one]).parameters == 16 * half


def test_floats_packed_into_integers_save_nothing() -> None:
    millions = 60_000_000
    honest = tally([file(tensor("a", millions))]).parameters
    for dtype, width in (("uint8", 1), ("int16", 2), ("int32", 4), ("int64", 8)):
        assert tally([file(tensor("a", 4 * millions // width, dtype=dtype))]).parameters >= honest


def test_statistics_do_not_count_beside_a_scale_of_their_length_only() -> None:
    assert tally([file(tensor("bn.weight", 8), tensor("bn.running_mean", 8))]).parameters == 8
    assert tally([file(tensor("bn.weight", 4), tensor("bn.running_mean", 8))]).parameters == 12
    assert tally([file(tensor("bn.running_mean", 8))]).parameters == 8
    assert tally([file(tensor("bn.gamma", 8), tensor("bn.moving_variance", 8))]).with_statistics == 16


def test_statistics_are_no_place_to_hide_weights() -> None:
    many = FREE_STATISTICS + 1
    hidden = tally([file(tensor("bn.weight", many), tensor("bn.running_mean", many))])
    assert hidden.parameters == 2 * many == hidden.with_statistics
    assert hidden.counted_statistics == many


def test_many_statistics_are_free_in_a_large_model() -> None:
    many = 2 * FREE_STATISTICS
    counts = tally([file(tensor("fc.weight", 40 * many), tensor("bn.weight", many), tensor("bn.running_mean", many))])
    assert counts.parameters == 41 * many
    assert counts.with_statistics == 42 * many
