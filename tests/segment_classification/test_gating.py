"""Context gates, by hand and over frames."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from podium.errors import UsageError
from podium.solutions.segment_classification.gating import Gate
from podium.solutions.segment_classification.initialisation import initialise


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def test_a_gate_of_two_channels_worked_by_hand() -> None:
    gate = Gate(2, 2, batch_norm=False)
    gate.load_state_dict(
        {
            "squeeze.weight": torch.tensor([[1.0, -1.0]]),
            "squeeze.bias": torch.tensor([0.5]),
            "excite.weight": torch.tensor([[2.0], [-2.0]]),
            "excite.bias": torch.tensor([0.0, 1.0]),
        }
    )
    # 3 - 1 + 0.5 = 2.5 gives 5 and -4; 1 - 3 + 0.5 is below 0 and gives 0 and 1.
    sigmoid = [1.0 / (1.0 + 2.718281828459045**-each) for each in (5.0, -4.0, 0.0, 1.0)]
    expected = torch.tensor([[3.0 * sigmoid[0], 1.0 * sigmoid[1]], [1.0 * sigmoid[2], 3.0 * sigmoid[3]]])
    torch.testing.assert_close(gate(torch.tensor([[3.0, 1.0], [1.0, 3.0]])), expected)


def test_a_normed_gate_norms_before_both_layers() -> None:
    gate, rows_PC = Gate(6, 2).double(), torch.randn(9, 6, dtype=torch.float64)

    def normed(rows: torch.Tensor, norm: nn.BatchNorm1d) -> torch.Tensor:
        return (rows - rows.mean(0)) / (rows.var(0, correction=0) + norm.eps).sqrt() * norm.weight + norm.bias

    hidden = (normed(rows_PC, gate.norm_in) @ gate.squeeze.weight.T + gate.squeeze.bias).clamp(min=0.0)
    logits = normed(hidden, gate.norm_narrow) @ gate.excite.weight.T + gate.excite.bias
    torch.testing.assert_close(gate(rows_PC), rows_PC / (1.0 + (-logits).exp()), atol=1e-12, rtol=0.0)


def test_over_rows_of_frames_it_is_the_gate_of_convolutions_over_time() -> None:
    gate, frames_NCT = Gate(8, 4).double(), torch.randn(3, 8, 5, dtype=torch.float64)
    narrow = nn.functional.conv1d(gate.norm_in(frames_NCT), gate.squeeze.weight[..., None], gate.squeeze.bias)
    logits = nn.functional.conv1d(gate.norm_narrow(narrow.relu()), gate.excite.weight[..., None], gate.excite.bias)
    rows_PC = frames_NCT.transpose(1, 2).reshape(15, 8)
    gated_NCT = gate(rows_PC).view(3, 5, 8).transpose(1, 2)
    torch.testing.assert_close(gated_NCT, frames_NCT * logits.sigmoid(), atol=1e-12, rtol=0.0)


def test_the_start_has_normal_weights_no_biases_and_norms_of_0_to_1() -> None:
    gate = Gate(2048, 4)
    assert abs(float(gate.squeeze.weight.detach().std()) - (2.0 / 2048) ** 0.5) < 1e-4
    assert abs(float(gate.excite.weight.detach().std()) - (2.0 / 512) ** 0.5) < 1e-3
    assert float(gate.squeeze.bias.detach().abs().max()) == 0.0
    assert (
        0.0
        <= float(gate.norm_in.weight.detach().min())
        < 0.05
        < 0.95
        < float(gate.norm_in.weight.detach().max())
        <= 1.0
    )
    assert abs(float(gate.norm_in.weight.detach().mean()) - 0.5) < 0.03


def test_a_plain_start_leaves_the_layers_to_torch_and_sets_the_norms() -> None:
    gate = Gate(1024, 4, plain_start=True)
    assert float(gate.squeeze.weight.detach().abs().max()) <= 1024**-0.5
    assert float(gate.squeeze.bias.detach().abs().max()) > 0.0
    assert float(gate.norm_in.weight.detach().std()) > 0.2


def test_initialising_leaves_other_layers_alone() -> None:
    other = nn.Conv1d(3, 2, 1)
    before = other.weight.detach().clone()
    initialise(nn.Sequential(other))
    torch.testing.assert_close(other.weight.detach(), before)


@pytest.mark.parametrize("reduction", [0, 9, -1])
def test_a_reduction_that_leaves_nothing_is_refused(reduction: int) -> None:
    with pytest.raises(UsageError, match=f"`{reduction}`; 1 to 8"):
        Gate(8, reduction)
