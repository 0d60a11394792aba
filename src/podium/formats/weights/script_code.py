"""Which tensors of a TorchScript archive are buffers, from the text of its ``code/`` entries."""

from __future__ import annotations

import re

_CLASS = re.compile(r"^class (\w+)\(\w*\):")
_LIST = re.compile(r"^  __(parameters|buffers)__ = \[(.*)\]\s*$")
_WORD = re.compile(r'"([^"\\]*)"')

Buffers = dict[str, frozenset[str]]
"""The names of the buffers of each class, by the class's full name."""


def buffers_of(module: str, text: str) -> Buffers:
    r"""The buffers of the classes in one entry.

    Args:
        module: Its name: ``__torch__.nets``.
        text: Its content.

    >>> buffers_of("__torch__.nets", 'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = ["mean", ]\n')
    {'__torch__.nets.Net': frozenset({'mean'})}
    """
    found: Buffers = {}
    here = ""
    for line in text.splitlines():
        started = _CLASS.match(line)
        listed = _LIST.match(line)
        if started:
            here = f"{module}.{started.group(1)}"
        elif listed and here and listed.group(1) == "buffers":
            found[here] = found.get(here, frozenset()) | frozenset(_WORD.findall(listed.group(2)))
        elif listed and here and _WORD.search(listed.group(2)):
            # What a class calls a parameter is none of its buffers, whatever else it says.
            found[here] = found.get(here, frozenset()) - frozenset(_WORD.findall(listed.group(2)))
    return found
