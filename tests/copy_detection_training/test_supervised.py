"""Known pairs and random negatives."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.training.contrastive import ContrastiveLoss, Margins  # noqa: E402
from podium.solutions.copy_detection.training.supervised import (  # noqa: E402
    FIRST_NOISE_LABEL,
    KnownCopies,
    SupervisedSettings,
    flattened,
)
from podium.solutions.training.batches import Draw  # noqa: E402

NOISE = [f"t{each}" for each in range(20)]


def copies(label_by: str = "reference", negatives: int = 3) -> KnownCopies:
    return KnownCopies(
        queries=["q0", "q1", "q2", "q3"],
        references=["r5", "r6", "r5", "r7"],
        noise=NOISE,
        settings=SupervisedSettings(negatives=negatives, label_by=label_by),  # type: ignore[arg-type]
    )


def test_an_example_is_a_pair_and_its_negatives_under_the_labels_of_the_sheet() -> None:
    found = copies("pair").example(Draw(2, seed=9))
    assert found.images[:2] == ("q2", "r5")
    assert found.labels[:2] == (2, 2)
    assert len(found.images) == len(found.labels) == copies().images_per_example == 5
    for image, label in zip(found.images[2:], found.labels[2:], strict=True):
        assert label == FIRST_NOISE_LABEL + NOISE.index(image)


def test_queries_of_one_reference_are_copies_of_each_other_unless_the_original_is_asked_for() -> None:
    assert copies("reference").labels == (0, 1, 0, 3)
    assert copies("pair").labels == (0, 1, 2, 3)


@given(draws=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**63 - 1)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_no_image_ever_has_two_labels_in_a_batch(draws: list[tuple[int, int]]) -> None:
    found = [copies().example(Draw(*each)) for each in draws]
    labels: dict[str, set[int]] = {}
    for example in found:
        for image, label in zip(example.images, example.labels, strict=True):
            labels.setdefault(image, set()).add(label)
        assert len(set(example.images)) == len(example.images)
    assert all(len(each) == 1 for each in labels.values())


def test_a_draw_decides_everything_and_every_negative_is_as_likely() -> None:
    known = copies()
    assert known.example(Draw(1, seed=4)) == known.example(Draw(1, seed=4))
    drawn = Counter(image for seed in range(2000) for image in known.example(Draw(0, seed)).images[2:])
    assert set(drawn) == set(NOISE)
    assert min(drawn.values()) > 230  # 300 are expected, with a deviation of 16
    assert max(drawn.values()) < 370


def test_flattening_keeps_an_example_together() -> None:
    images = torch.arange(6).view(3, 2, 1, 1, 1)
    flat, labels = flattened(images, torch.tensor([[0, 0], [1, 1], [2, 2]]))
    assert flat[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(UsageError, match="one label for each image"):
        flattened(images, torch.zeros(2, 2))


def test_the_stage_of_the_sheet_pulls_pairs_together_and_pushes_negatives_away() -> None:
    torch.manual_seed(0)
    known = copies(negatives=2)
    table = torch.nn.Embedding(64, 8)
    names = {name: at for at, name in enumerate([*known.queries, *sorted(set(known.references)), *NOISE])}
    loss = ContrastiveLoss(margins=Margins(positive=0.1, negative=1.1), rows_per_unit=known.images_per_example)
    optimizer = torch.optim.SGD(table.parameters(), lr=1.0, momentum=0.9)
    losses = []
    for step in range(150):
        examples = [known.example(Draw(pair, step)) for pair in range(4)]
        rows = torch.tensor([[names[image] for image in example.images] for example in examples])
        total = loss(*flattened(table(rows), torch.tensor([each.labels for each in examples]))).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])
    unit = torch.nn.functional.normalize(table.weight.detach())
    same = (unit[names["q0"]] - unit[names["q2"]]).norm().item()  # both are made from r5
    other = (unit[names["q0"]] - unit[names["q1"]]).norm().item()
    assert same < 0.3 < 0.9 < other


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        KnownCopies(
            queries=["q0", "t1"], references=["r0"], noise=["t0", "t1"], settings=SupervisedSettings(negatives=3)
        )
    text = str(caught.value)
    assert "2 queries have 1 references" in text
    assert "3 negatives were asked for of 2 images" in text
    assert "1 images of pairs are among the noise: `t1`" in text
    with pytest.raises(UsageError, match="`negatives` is -1"):
        SupervisedSettings(negatives=-1)
