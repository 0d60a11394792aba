"""Gradient checkpointing: what a part computed is forgotten and computed again when its gradient is asked for.

Batch norms would see such a part's batch twice and move their running statistics twice. Here they move once, so that
training with checkpointing ends where training without it does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from podium.errors import MachineError, UsageError

try:
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage] - the base of all of them
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error


class Checkpointing:
    """Switches the checkpointing of a timm net and keeps its batch norms from counting twice.

    Args:
        net: Made by timm; wrap its forward pass into `running`.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._runs = False
        self._watched: WeakSet[nn.Module] = WeakSet()
        self._hooks: list[Any] = []
        self.on = False

    def switch(self, on: bool) -> None:
        """Turns it on or off.

        Raises:
            UsageError: The net cannot do it.
        """
        setting: Any = getattr(self._net, "set_grad_checkpointing", None)
        if on and setting is None:
            raise UsageError(f"`{type(self._net).__name__}` has no gradient checkpointing")
        if setting is not None:
            setting(on)
        self.on = on
        if not on:
            for hook in self._hooks:
                hook.remove()
            self._hooks, self._watched = [], WeakSet()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The forward pass; what runs outside of it is a repetition."""
        if self.on:
            self._watch()
        self._runs = True
        try:
            yield
        finally:
            self._runs = False

    def _watch(self) -> None:
        # Norms are exchanged for ones that work over processes after the net is made, so they are looked for each time.
        for norm in self._net.modules():
            if isinstance(norm, _BatchNorm) and norm not in self._watched:
                self._watched.add(norm)
                self._hooks.append(norm.register_forward_pre_hook(self._before))

    def _before(self, norm: nn.Module, inputs: Any) -> None:  # noqa: ARG002 - the hook's arguments
        if self._runs or not norm.training or not isinstance(norm, _BatchNorm) or norm.running_mean is None:
            return
        kept = {name: value.clone() for name, value in norm.named_buffers(recurse=False)}

        def restore(norm: nn.Module, *_: Any) -> None:
            for name, value in norm.named_buffers(recurse=False):
                value.copy_(kept[name])
            after.remove()

        # Repeating stops as soon as everything is there again, which can be in the middle of a norm.
        after = norm.register_forward_hook(restore, always_call=True)
