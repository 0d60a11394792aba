"""Archives of torch, counted without unpickling: torch's own count, and files that lie."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium.errors import SubmissionError
from podium.formats.weights import Role, WeightKind, read_weights, tally
from podium.formats.weights.pickles import follow

torch = pytest.importorskip("torch")
nn = torch.nn

BN = 8


def net() -> Any:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, BN, 3), nn.BatchNorm2d(BN), nn.ReLU(), nn.Conv2d(BN, 4, 1)).eval()
    made[3].register_buffer("mean", torch.zeros(3))
    return made


def rewrite(path: Path, change: Callable[[str, bytes], bytes | None], *, method: int = zipfile.ZIP_STORED) -> Path:
    """The archive with every entry passed through `change`; None leaves it out."""
    out = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", method) as target:
        for name in source.namelist():
            raw = change(name, source.read(name))
            if raw is not None:
                target.writestr(name, raw)
    return out


def saved(value: Any, folder: Path, name: str = "a.pt") -> Path:
    torch.save(value, folder / name)
    return folder / name


def test_a_state_is_counted_as_torch_counts_it(tmp_path: Path) -> None:
    module = net()
    file = read_weights(saved(module.state_dict(), tmp_path))
    assert file.kind is WeightKind.TORCH
    told = {each.name: (each.shape, each.elements) for each in file.tensors}
    assert told == {name: (tuple(each.shape), each.numel()) for name, each in module.state_dict().items()}
    # A plain state does not say that `3.mean` is a buffer.
    assert tally([file]).parameters == sum(each.numel() for each in module.parameters()) + 3
    assert tally([file]).statistics == 2 * BN + 1


@pytest.mark.slow  # scripting a module takes torch long
@pytest.mark.filterwarnings("ignore")
def test_torchscript_knows_its_buffers(tmp_path: Path) -> None:
    module = net()
    wanted = sum(each.numel() for each in module.parameters())
    torch.jit.script(module).save(tmp_path / "scripted.pt")
    torch.jit.trace(module, torch.zeros(1, 3, 8, 8)).save(tmp_path / "traced.pt")
    for name in ("scripted.pt", "traced.pt"):
        file = read_weights(tmp_path / name)
        assert file.kind is WeightKind.TORCHSCRIPT
        counts = tally([file])
        assert (counts.parameters, counts.statistics, counts.constants) == (wanted, 2 * BN + 1, 3)
        assert next(each for each in file.tensors if each.name == "3.mean").role is Role.CONSTANT


@pytest.mark.slow  # scripting a module takes torch long
@pytest.mark.filterwarnings("ignore")
def test_weights_that_a_frozen_script_holds_as_constants_count(tmp_path: Path) -> None:
    torch.jit.freeze(torch.jit.script(net())).save(tmp_path / "a.pt")
    # The normalisation is folded into the convolution: weights and one bias each remain.
    assert tally([read_weights(tmp_path / "a.pt")]).parameters == (216 + BN) + (32 + 4)


@pytest.mark.slow  # scripting a module takes torch long
@pytest.mark.filterwarnings("ignore")
def test_large_buffers_of_a_script_count(tmp_path: Path) -> None:
    module = nn.Conv2d(3, 8, 3)
    module.register_buffer("table", torch.zeros(300_000))
    torch.jit.script(module).save(tmp_path / "a.pt")
    assert tally([read_weights(tmp_path / "a.pt")]).parameters == 224 + 300_000


def script(path: Path, code: str) -> Path:
    """The archive of a state as that of a scripted module `__torch__.nets.Net` with the state's names as attributes."""
    new = b"\x80\x02c__torch__.nets\nNet\n)\x81"
    made = rewrite(path, lambda name, raw: new + raw[2:-1] + b"b." if name.endswith("data.pkl") else raw)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("a/code/__torch__/nets.py", code, zipfile.ZIP_DEFLATED)
        archive.writestr("a/constants.pkl", b"\x80\x02).")
    return made


def test_what_the_code_of_a_script_calls_buffers_are_constants_up_to_a_size(tmp_path: Path) -> None:
    code = 'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = ["mean", "w", ]\n'
    path = saved({"w": torch.zeros(10), "mean": torch.zeros(3)}, tmp_path)
    file = read_weights(script(path, code.replace(', "w"', "")))
    assert file.kind is WeightKind.TORCHSCRIPT
    assert (tally([file]).parameters, tally([file]).constants) == (10, 3)
    large = saved({"w": torch.zeros(10), "mean": torch.zeros(300_000)}, tmp_path)
    assert tally([read_weights(script(large, code))]).parameters == 300_010


def test_a_whole_pickled_module_is_counted_and_not_unpickled(tmp_path: Path) -> None:
    module = net()
    counts = tally([read_weights(saved(module, tmp_path))])
    assert counts.parameters == sum(each.numel() for each in module.parameters())
    assert counts.statistics == 2 * BN + 1


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "was-run"),)

    file = read_weights(saved({"w": torch.zeros(5), "x": Evil()}, tmp_path))
    assert tally([file]).parameters == 5
    assert not (tmp_path / "was-run").exists()


def test_tied_and_sliced_tensors_count_by_their_storage(tmp_path: Path) -> None:
    base = torch.zeros(1000)
    tied = nn.Parameter(torch.zeros(7))
    state = {"view": base[:3], "again": base[5:9].reshape(2, 2), "tied": tied, "alias": tied.data}
    file = read_weights(saved(state, tmp_path))
    assert tally([file]).parameters == 1000 + 7
    assert len(file.tensors) == 2


def test_tensors_in_lists_tuples_and_nested_tables_are_found(tmp_path: Path) -> None:
    state = {"a": [torch.zeros(3), (torch.zeros(4), {"deep": torch.zeros(5)})], "n": 3, "s": {1, 2}}
    file = read_weights(saved(state, tmp_path))
    assert tally([file]).parameters == 12
    assert sorted(each.elements for each in file.tensors) == [3, 4, 5]


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: torch.zeros(6, dtype=torch.float16), 6),
        (lambda: torch.zeros(6, dtype=torch.bfloat16), 6),
        (lambda: torch.zeros(6, dtype=torch.uint8), 6),
        (lambda: torch.zeros(6, dtype=torch.complex64), 12),
        (lambda: torch.zeros(6, dtype=torch.int64), 0),
        (lambda: torch.zeros(6, dtype=torch.uint16), 0),
        (lambda: torch.zeros(6, dtype=torch.float8_e4m3fn), 6),
    ],
)
def test_every_type_of_numbers_is_known(tmp_path: Path, make: Callable[[], Any], parameters: int) -> None:
    assert tally([read_weights(saved({"a": make()}, tmp_path))]).parameters == parameters


def test_a_batch_statistic_in_name_only_counts(tmp_path: Path) -> None:
    state = {"bn.weight": torch.zeros(8), "bn.running_mean": torch.zeros(1000)[:8], "x.running_var": torch.zeros(50)}
    assert tally([read_weights(saved(state, tmp_path))]).parameters == 8 + 1000 + 50


def test_a_storage_that_no_tensor_names_counts_by_the_byte(tmp_path: Path) -> None:
    path = saved({"a": torch.zeros(5)}, tmp_path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "b.pt", "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("a/data/99", b"\1" * 4_000)
    assert tally([read_weights(tmp_path / "b.pt")]).parameters == 5 + 4_000


def test_a_storage_larger_than_it_claims_is_refused(tmp_path: Path) -> None:
    path = saved({"a": torch.zeros(5)}, tmp_path)
    longer = rewrite(path, lambda name, raw: raw * 100 if name.endswith("data/0") else raw)
    with pytest.raises(SubmissionError, match="the storage has `2000` bytes; the pickle tells of `20`"):
        read_weights(longer)


def test_a_storage_that_is_missing_or_compressed_is_refused(tmp_path: Path) -> None:
    path = saved({"a": torch.zeros(5_000)}, tmp_path)
    with pytest.raises(SubmissionError, match="not in the archive"):
        read_weights(rewrite(path, lambda name, raw: None if name.endswith("data/0") else raw))
    with pytest.raises(SubmissionError, match="compressed"):
        read_weights(rewrite(path, lambda _, raw: raw, method=zipfile.ZIP_DEFLATED))


def test_bytes_beside_the_storages_are_told(tmp_path: Path) -> None:
    path = saved({"a": torch.zeros(5)}, tmp_path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "b.pt", "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("a/extra/hidden", b"\1" * 5_000_000)
    assert read_weights(tmp_path / "b.pt").other_bytes > 5_000_000
    lists = saved({"a": torch.zeros(1), "hidden": [0.5 + at for at in range(50_000)]}, tmp_path, "c.pt")
    assert read_weights(lists).other_bytes > 400_000


def test_an_archive_in_another_shape_is_refused(tmp_path: Path) -> None:
    path = saved({"a": torch.zeros(5)}, tmp_path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "two.pt", "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("b/data.pkl", b"\x80\x02N.")
    with pytest.raises(SubmissionError, match="one folder"):
        read_weights(tmp_path / "two.pt")
    with zipfile.ZipFile(tmp_path / "twice.pt", "w") as target:
        target.writestr("a/data.pkl", b"\x80\x02N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("a/data.pkl", b"\x80\x02N.")
    with pytest.raises(SubmissionError, match="two entries"):
        read_weights(tmp_path / "twice.pt")


def test_pickles_and_other_archives_are_no_weight_files(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(5)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(SubmissionError, match="this is a pickle"):
        read_weights(tmp_path / "old.pt")
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as target:
        target.writestr("readme", b"x")
    with pytest.raises(SubmissionError, match="another zip"):
        read_weights(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"\x80\x02", "broken"),
        (b"\x80\x02NN.", "left over"),
        (b"\x80\x02N1.", "broken|mark"),
        (b"\x80\x02Pid\n.", "PERSID"),
        (b"\x80\x02(cos\nsystem\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02h\x05.", "broken"),
        (b"\x80\x02N]a.", "broken"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "no storage"),
        (b"hello", "broken"),
    ],
)
def test_a_broken_or_strange_pickle_is_refused(raw: bytes, match: str) -> None:
    with pytest.raises(SubmissionError, match=match):
        follow(raw, "a.pt")


def test_values_nested_without_end_are_refused_and_cycles_end(tmp_path: Path) -> None:
    path = saved({"a": torch.zeros(5)}, tmp_path)
    deep = b"\x80\x02" + b"]" * 500 + b"a" * 499 + b"."
    with pytest.raises(SubmissionError, match="deep"):
        read_weights(rewrite(path, lambda name, raw: deep if name.endswith("data.pkl") else raw))
    ring = b"\x80\x02]q\x00h\x00a."
    changed = rewrite(path, lambda name, raw: ring if name.endswith("data.pkl") else raw)
    # Nothing names the storage of 20 bytes now.
    assert tally([read_weights(changed)]).parameters == 20


def test_shared_containers_do_not_multiply_the_work(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(50):
        value = [value, value]  # 2^50 paths, 50 lists
    raw = pickle.dumps(value, 2)
    path = saved({"a": torch.zeros(5)}, tmp_path)
    changed = rewrite(path, lambda name, held: raw if name.endswith("data.pkl") else held)
    assert tally([read_weights(changed)]).parameters == 20


def test_two_stories_about_one_storage_are_refused(tmp_path: Path) -> None:
    def pid(count: int) -> bytes:
        return (
            b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ"
            + struct.pack("<i", count)
            + b"tQ"
        )

    with pytest.raises(SubmissionError, match="two ways"):
        follow(b"\x80\x02" + pid(5) + pid(1) + b"\x86.", "a.pt")
    assert follow(b"\x80\x02" + pid(5) + pid(5) + b"\x86.", "a.pt").storages["0"].count == 5


def test_plain_pickles_of_numbers_are_followed_as_python_reads_them() -> None:
    value = {"a": [1, 2.5, None, True, "x", (1, 2)], "b": {"c": 1 << 70}}
    for protocol in range(2, 6):
        assert follow(pickle.dumps(value, protocol), "a").value == value


HUGE = (1 << 20_000).to_bytes(2_501, "little")


@pytest.mark.parametrize("raw", [b"%s.", b"\x80\x02}%sK\x01s.", b"\x80\x02(%st."])
def test_numbers_beyond_counting_are_refused_like_any_other_fault(raw: bytes) -> None:
    # Python refuses to write numbers of more than 4,300 digits, which must not become a fault of its own.
    with pytest.raises(SubmissionError, match="more than 1024 bits"):
        follow(raw % (b"\x8b" + struct.pack("<i", len(HUGE)) + HUGE), "a.pt")


def test_one_tensor_named_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podium.formats.weights.torch_archive.MAX_TENSORS", 100)
    path = saved([torch.zeros(2)] * 101, tmp_path)
    with pytest.raises(SubmissionError, match="more than `100` tensors"):
        read_weights(path)
    assert tally([read_weights(saved([torch.zeros(2)] * 100, tmp_path))]).parameters == 2


@pytest.mark.parametrize("kind", ["QUInt4x2Storage", "QUInt2x4Storage", "NewStorage"])
def test_storages_that_pack_several_weights_into_a_byte_are_refused(tmp_path: Path, kind: str) -> None:
    path = saved(torch.zeros(4), tmp_path)
    changed = rewrite(
        path, lambda name, raw: raw.replace(b"FloatStorage", kind.encode()) if "data.pkl" in name else raw
    )
    with pytest.raises(SubmissionError, match=f"`{kind}`, which cannot be counted"):
        read_weights(changed)
