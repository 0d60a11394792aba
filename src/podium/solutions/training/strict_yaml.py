"""YAML as a recipe needs it: plain values only, numbers as people write them, every fault with its line.

The core schema of YAML 1.2 decides what a plain word means, so that ``1e-3`` is a number and ``no`` a word; tags,
aliases and keys that come twice are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from podium.errors import MachineError, UsageError

try:
    import yaml
except ImportError as error:
    raise MachineError("recipes need pyyaml: `pip install 'podium[train]'`") from error

MAX_BYTES = 256 << 10
MAX_DEPTH = 32

Place = tuple[str, ...]
"""Keys and positions from the top of a file to a value: ``("trainer", "epochs")``."""

_NULL, _BOOL, _INT, _FLOAT, _STR = (f"tag:yaml.org,2002:{each}" for each in ("null", "bool", "int", "float", "str"))
_PLAIN = (
    (_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    (_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    (_INT, re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789")),
    (
        _FLOAT,
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+.0123456789"),
    ),
)
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - filled by add_implicit_resolver, as the library wants


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - the same

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's name
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:  # noqa: ARG002
        compound = any(isinstance(each, (dict, list, tuple)) for each in sequence)
        return super().represent_sequence(tag, sequence, flow_style=not compound)


for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file of YAML.

    Attributes:
        value: None, booleans, numbers, texts, lists and tables of them.
        lines: Where each value stands, from 1.
    """

    value: Any
    lines: dict[Place, int]


def parse(text: str, *, name: str) -> Document:
    r"""The values in a text.

    Args:
        text: At most 256 KiB, 32 levels deep.
        name: For messages.

    Raises:
        UsageError: The text is no YAML, too long or too deep, or holds tags, aliases or a key twice: all are named.

    >>> parse("rate: 1e-3\nfold: no", name="recipe.yaml").value
    {'rate': 0.001, 'fold': 'no'}
    """
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"`{name}` has {len(text.encode())} bytes; at most {MAX_BYTES} are allowed")
    try:
        faults = list(_forbidden(text))
        if faults:
            raise UsageError(f"`{name}`: " + "; ".join(faults))
        node = yaml.compose(text, Loader=_Loader)
        lines: dict[Place, int] = {}
        value = None if node is None else _value(node, (), lines, faults)
    except yaml.YAMLError as error:
        raise UsageError(f"`{name}` is no YAML: {' '.join(str(error).split())}") from error
    if faults:
        raise UsageError(f"`{name}`: " + "; ".join(faults))
    return Document(value=value, lines=lines)


def text_of(value: Any) -> str:
    r"""YAML that `parse` reads back as the same value.

    Args:
        value: None, booleans, numbers, texts, lists and tables of them.

    >>> text_of({"rate": 0.001, "name": "1e-3"})
    "rate: 0.001\nname: '1e-3'\n"
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=100, default_flow_style=False)


def _forbidden(text: str) -> Iterator[str]:
    depth = 0
    for token in yaml.scan(text, Loader=_Loader):
        line = token.start_mark.line + 1
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            # The library's work grows with the square of the depth, so the walk ends here.
            yield f"line {line} is nested too deeply; {MAX_DEPTH} levels are allowed"
            return
        if isinstance(token, yaml.TagToken):
            yield f"line {line} has a tag; tags are not allowed"
        elif isinstance(token, (yaml.AnchorToken, yaml.AliasToken)):
            yield f"line {line} has an anchor or an alias; write the value out"


def _value(node: yaml.Node, place: Place, lines: dict[Place, int], faults: list[str]) -> Any:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _table(node, place, lines, faults)
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*place, str(at)), lines, faults) for at, each in enumerate(node.value)]
    return _plain(node.tag, node.value)


def _table(node: yaml.MappingNode, place: Place, lines: dict[Place, int], faults: list[str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            faults.append(f"line {line} has a key that is no word")
            continue
        key = key_node.value
        if key in table:
            faults.append(f"line {line} has `{'.'.join((*place, key))}` for the second time")
        table[key] = _value(value_node, (*place, key), lines, faults)
        lines[*place, key] = line
    return table


def _plain(tag: str, text: str) -> Any:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        return int(text)
    if tag == _FLOAT:
        word = text.lower().lstrip("+")
        return {".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}.get(word) or float(word)
    return text
