"""Models of the published code: their names and settings, by a table written out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from podium.errors import UsageError
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification import reference_weights
from podium.solutions.segment_classification.clips import DIMENSIONS
from podium.solutions.segment_classification.frames import choose
from podium.solutions.segment_classification.network import Network
from podium.solutions.training.strict_yaml import parse, text_of

NEXTVLAD = {
    "type": "nextvlad",
    "p_drop": 0.5,
    "fcn_dim": 8,
    "groups": 16,
    "max_len": 100,
    "n_clusters": 4,
    "n_mixtures": 2,
    "per_class": False,
    "se_reduction": 4,
    "add_batchnorm": True,
}
DBOF = {
    "type": "dbof",
    "hidden_dim": 12,
    "p_drop": 0.5,
    "fcn_dim": 8,
    "max_len": 100,
    "n_mixtures": 2,
    "per_class": False,
    "frame_se_reduction": 4,
    "video_se_reduction": 2,
}
THEIRS = {
    "nextvlad": {
        "rgb.expand": "video_encoder.expansion_mapper",
        "rgb.assign": "video_encoder.soft_assignment_mapper.0",
        "rgb.norm_assign": "video_encoder.soft_assignment_mapper.1.bn",
        "rgb.attend": "video_encoder.attention_mapper",
        "rgb.centroids": "video_encoder.centroids",
        "rgb.norm": "video_encoder.final_bn",
        "audio.expand": "audio_encoder.expansion_mapper",
        "audio.assign": "audio_encoder.soft_assignment_mapper.0",
        "audio.norm_assign": "audio_encoder.soft_assignment_mapper.1.bn",
        "audio.attend": "audio_encoder.attention_mapper",
        "audio.centroids": "audio_encoder.centroids",
        "audio.norm": "audio_encoder.final_bn",
        "linear": "intermediate_fc.0",
        "gate.norm_in": "se_gating.bn1",
        "gate.squeeze": "se_gating.fc1",
        "gate.norm_narrow": "se_gating.bn2",
        "gate.excite": "se_gating.fc2",
    },
    "dbof": {
        "frame": "encoder.0",
        "frame_gate.norm_in": "encoder.3.bn1",
        "frame_gate.squeeze": "encoder.3.fc1",
        "frame_gate.norm_narrow": "encoder.3.bn2",
        "frame_gate.excite": "encoder.3.fc2",
        "norm": "intermediate_fc.0",
        "linear": "intermediate_fc.2",
        "gate.norm_in": "intermediate_fc.4.bn1",
        "gate.squeeze": "intermediate_fc.4.fc1",
        "gate.norm_narrow": "intermediate_fc.4.bn2",
        "gate.excite": "intermediate_fc.4.fc2",
    },
}
REST = {
    "head.experts.0": "expert_fc.0",
    "head.experts.2": "expert_fc.2",
    "head.gates.0": "gating_fc.0",
    "head.gates.2": "gating_fc.2",
    "fusion.norm": "intermediate_fc.0",
    "fusion.linear": "intermediate_fc.2",
    "fusion.gate.norm_in": "intermediate_fc.4.bn1",
    "fusion.gate.squeeze": "intermediate_fc.4.fc1",
    "fusion.gate.norm_narrow": "intermediate_fc.4.bn2",
    "fusion.gate.excite": "intermediate_fc.4.fc2",
}


def _theirs(network: Network, prefix: str) -> dict[str, Tensor]:
    """The state under their names, with convolutions where they had them."""
    settings = network.settings
    table = dict(REST)
    for own, other, encoder in (
        ("encoder", "segment_model." if network.aware else "", settings.encoder),
        ("context", "context_model.", settings.context),
    ):
        if encoder is not None:
            table |= {f"{own}.{mine}": other + theirs for mine, theirs in THEIRS[encoder.kind].items()}
    state = {}
    for key, value in network.state_dict().items():
        module, _, leaf = key.rpartition(".")
        name = prefix + (table[key] if key in table else f"{table[module]}.{leaf}")
        frames = "frame_gate.squeeze.weight" in key or "frame_gate.excite.weight" in key
        state[name] = value[..., None] if frames else value
    return state


def _write(folder: Path, config: dict, prefix: str) -> Network:
    settings = reference_weights.settings(config)
    torch.manual_seed(0)
    network = networks.build(settings)
    for _ in range(2):
        network(_bytes(11), torch.ones(3, 11, dtype=torch.bool), torch.rand(3, 8) if network.aware else None)
    folder.mkdir()
    torch.save(_theirs(network, prefix), folder / "model.pth")
    (folder / "config.yaml").write_text(text_of(config))
    return network.eval()


def _bytes(frames: int) -> Tensor:
    return torch.randint(0, 256, (3, frames, DIMENSIONS), dtype=torch.uint8)


def _segments(offset: int) -> dict:
    return {"training": {"lr": "2e-4", "offset": offset}}


@pytest.mark.parametrize("model", [NEXTVLAD, DBOF])
@pytest.mark.parametrize("prefix", ["model.", "_model."])
def test_video_and_segment_models_come_back_under_our_names(model: dict, prefix: str, tmp_path: Path) -> None:
    config = {"video": {"model": model}} | ({"pure_segment": _segments(2)} if prefix == "_model." else {})
    made = _write(tmp_path / "model", config, prefix)
    found = reference_weights.read(tmp_path / "model")
    assert found.settings == made.settings
    assert found.settings.reference
    assert found.settings.frames.threshold == 100
    assert found.settings.frames.drawn == 90
    assert found.settings.window.frames == (9 if prefix == "_model." else 11)
    features, mask = _bytes(7), torch.arange(7) < torch.tensor([[7], [4], [6]])
    assert found(features, mask).equal(made(features, mask))


@pytest.mark.parametrize(("context", "segment"), [(NEXTVLAD, DBOF), (DBOF, NEXTVLAD)])
def test_models_with_a_context_come_back_under_our_names(context: dict, segment: dict, tmp_path: Path) -> None:
    both = {"fcn_dim": 6, "p_drop": 0.25, "se_reduction": 2, "max_len": 150, "finetune_context": False, "n_mixture": 3}
    config = {
        "segment_w_context": {"model": both, **_segments(3)},
        "context_base": {"model": context},
        "segment_base": {"model": segment},
    }
    made = _write(tmp_path / "model", config, "")
    found = reference_weights.read(tmp_path / "model")
    assert (found.settings.fusion_features, found.settings.fusion_dropout, found.settings.head.mixtures) == (6, 0.25, 3)
    features, mask = _bytes(11), torch.ones(3, 11, dtype=torch.bool)
    known = found.encode_context(features, mask)
    assert known.equal(made.encode_context(features, mask))
    assert found(features, mask, known).equal(made(features, mask, known))


def test_the_published_settings_are_our_defaults_with_their_defects() -> None:
    text = """
    video:
      model: {type: nextvlad, p_drop: 0.5, fcn_dim: 2048, groups: 16, max_len: 150, n_clusters: 64, n_mixtures: 4,
              per_class: false, se_reduction: 4, add_batchnorm: true}
      training: {batch_size: 48, steps: 200000, lr: 3e-4, eps: 1e-6, weight_decay: 0.1, ckpt_interval: 10000}
    """
    found = reference_weights.settings(parse(text, name="config.yaml").value)
    assert found == networks.NetworkSettings(reference=True)


@pytest.mark.parametrize("most", [-1, 0])
def test_without_a_longest_length_nothing_is_drawn(most: int) -> None:
    found = reference_weights.settings({"video": {"model": {**DBOF, "max_len": most}}})
    chosen = choose([300, 200], found.frames, seeds_V=None, reference=True)
    assert chosen.indices_VT.shape == (2, 260)
    assert chosen.mask_VT.sum(1).tolist() == [260, 170]


def test_what_is_no_model_of_theirs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no `config\.yaml`"):
        reference_weights.read(tmp_path)
    with pytest.raises(UsageError, match="'video' is missing"):
        reference_weights.settings({"model": 1})
    with pytest.raises(UsageError, match="no model `nextvlat`; did you mean `nextvlad`"):
        reference_weights.settings({"video": {"model": {**NEXTVLAD, "type": "nextvlat"}}})
    _write(tmp_path / "model", {"video": {"model": NEXTVLAD}}, "model.")
    (tmp_path / "model" / "config.yaml").write_text(text_of({"video": {"model": DBOF}}))
    with pytest.raises(UsageError, match="is no parameter of this model"):
        reference_weights.read(tmp_path / "model")
