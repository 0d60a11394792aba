"""Models that the published code of the 7th place trained, as networks with ``reference: true``.

A model of theirs is a folder of ``config.yaml`` and ``model.pth``. Source of the names:
https://github.com/ceshine/yt8m-2019 (Lee, 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podium.errors import UsageError, nearest
from podium.solutions import weights
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.frames import FrameSettings
from podium.solutions.segment_classification.mixture import HeadSettings
from podium.solutions.segment_classification.network import Network, NetworkSettings, WindowSettings
from podium.solutions.training.strict_yaml import parse

CONFIG, STATE = "config.yaml", "model.pth"
_ALL = 1_000_000

_GATE = {"bn1": "norm_in", "fc1": "squeeze", "bn2": "norm_narrow", "fc2": "excite"}
_VLAD = {
    "expansion_mapper": "expand",
    "soft_assignment_mapper.0": "assign",
    "soft_assignment_mapper.1.bn": "norm_assign",
    "soft_assignment_mapper": "assign",
    "attention_mapper": "attend",
    "centroids": "centroids",
    "final_bn": "norm",
}
_HEAD = {
    f"{theirs}_fc.{at}": f"head.{ours}.{at}"
    for theirs, ours in (("expert", "experts"), ("gating", "gates"))
    for at in (0, 2)
}


def read(folder: Path) -> Network:
    """The network of a folder, in evaluation mode.

    Args:
        folder: Holds ``config.yaml`` and ``model.pth``: of a video model, or of a segment model with or without
            context. Weights are read without running anything in the file.

    Raises:
        UsageError: A file is missing or of another kind, or the two do not belong together.
    """
    for name in (CONFIG, STATE):
        if not (folder / name).is_file():
            raise UsageError(f"`{folder}` holds no `{name}`; a model of the reference has `{CONFIG}` and `{STATE}`")
    config = parse((folder / CONFIG).read_text(encoding="utf-8"), name=str(folder / CONFIG)).value
    network = Network(settings(config, name=str(folder / CONFIG)))
    state = weights.read_state(folder / STATE)
    if network.settings.context is None:
        state = {key.removeprefix("_model.").removeprefix("model."): value for key, value in state.items()}
    names = _names(network.settings)
    renamed = {_renamed(key, names): value for key, value in state.items()}
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    # Convolutions over single frames are fully connected layers with one axis more.
    fitting = {
        key: value.squeeze(-1) if key in shapes and value.ndim == len(shapes[key]) + 1 else value
        for key, value in renamed.items()
    }
    weights.fill(network, fitting, network.settings.encoder.kind)
    return network.eval()


def settings(config: Any, *, name: str = CONFIG) -> NetworkSettings:
    """What a ``config.yaml`` of the reference says of a network; values for training are left out.

    Args:
        config: Its values.
        name: For messages.

    Raises:
        UsageError: It describes no model of the reference.
    """
    try:
        if "segment_w_context" in config:
            return _aware(config)
        video = config["video"]["model"]
        return NetworkSettings(
            encoder=_encoder(video),
            head=_head(video["n_mixtures"], video["p_drop"], per_class=video["per_class"]),
            frames=_frames(video["max_len"]),
            window=_window(config.get("pure_segment")),
            reference=True,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"`{name}` describes no model of the reference: {error} is missing or of another kind"
        ) from error


def _aware(config: Mapping[str, Any]) -> NetworkSettings:
    both = config["segment_w_context"]["model"]
    return NetworkSettings(
        encoder=_encoder(config["segment_base"]["model"]),
        context=_encoder(config["context_base"]["model"]),
        head=_head(both["n_mixture"], both["p_drop"], per_class=False),
        frames=_frames(both["max_len"]),
        window=_window(config["segment_w_context"]),
        fusion_features=both["fcn_dim"],
        fusion_reduction=both["se_reduction"],
        fusion_dropout=both["p_drop"],
        reference=True,
    )


def _encoder(model: Mapping[str, Any]) -> EncoderSettings:
    if model["type"] == "nextvlad":
        return EncoderSettings(
            features=model["fcn_dim"],
            dropout=model["p_drop"],
            reduction=model["se_reduction"],
            clusters=model["n_clusters"],
            groups=model["groups"],
            batch_norm=model["add_batchnorm"],
        )
    if model["type"] == "dbof":
        return EncoderSettings(
            kind="dbof",
            features=model["fcn_dim"],
            dropout=model["p_drop"],
            reduction=model["video_se_reduction"],
            hidden=model["hidden_dim"],
            frame_reduction=model["frame_se_reduction"],
        )
    raise UsageError(
        f"the reference has no model `{model['type']}`; {nearest(str(model['type']), ('nextvlad', 'dbof'))}"
    )


def _head(mixtures: int, dropout: float, *, per_class: bool) -> HeadSettings:
    return HeadSettings(mixtures=mixtures, dropout=dropout, per_class=per_class)


def _frames(most: int) -> FrameSettings:
    # Nothing is drawn where they have 0 or less.
    return FrameSettings(threshold=most, drawn=most - 10) if most > 0 else FrameSettings(threshold=_ALL, drawn=_ALL)


def _window(part: Mapping[str, Any] | None) -> WindowSettings:
    around = 3 if part is None else part["training"]["offset"]
    return WindowSettings(before=around, after=around)


def _names(network: NetworkSettings) -> dict[str, str]:
    """Ours for the beginning of each of theirs."""
    if network.context is None:
        return {**_encoder_names(network.encoder, "", "encoder"), **_HEAD}
    fusion = {"intermediate_fc.0": "fusion.norm", "intermediate_fc.2": "fusion.linear"}
    return {
        **_encoder_names(network.encoder, "segment_model.", "encoder"),
        **_encoder_names(network.context, "context_model.", "context"),
        **fusion,
        **_gate_names("intermediate_fc.4", "fusion.gate"),
        **_HEAD,
    }


def _encoder_names(encoder: EncoderSettings, theirs: str, ours: str) -> dict[str, str]:
    if encoder.kind == "nextvlad":
        vlads = {
            f"{theirs}{kind}_encoder.{part}": f"{ours}.{own}.{name}"
            for kind, own in (("video", "rgb"), ("audio", "audio"))
            for part, name in _VLAD.items()
        }
        linear = {f"{theirs}intermediate_fc.0": f"{ours}.linear"}
        return {**vlads, **linear, **_gate_names(f"{theirs}se_gating", f"{ours}.gate")}
    parts = {"encoder.0": "frame", "intermediate_fc.0": "norm", "intermediate_fc.2": "linear"}
    return {
        **{f"{theirs}{part}": f"{ours}.{name}" for part, name in parts.items()},
        **_gate_names(f"{theirs}encoder.3", f"{ours}.frame_gate"),
        **_gate_names(f"{theirs}intermediate_fc.4", f"{ours}.gate"),
    }


def _gate_names(theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}.{part}": f"{ours}.{name}" for part, name in _GATE.items()}


def _renamed(key: str, names: Mapping[str, str]) -> str:
    for theirs in sorted(names, key=len, reverse=True):
        if key == theirs or key.startswith(f"{theirs}."):
            return names[theirs] + key[len(theirs) :]
    raise UsageError(f"`{key}` is no parameter of this model of the reference; one begins with {', '.join(names)}")
