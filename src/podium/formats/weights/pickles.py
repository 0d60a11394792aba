"""A pickle followed opcode by opcode, without making or calling anything that it names.

What would be called becomes a `Call` value that only remembers its name and arguments. A pickle of torch names its
storages by persistent ids, which are gathered in `storages`.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import Any, cast

from podium.errors import SubmissionError
from podium.formats.faults import shown
from podium.formats.weights.tensors import fault

MAX_PICKLE_BYTES = 32 << 20
MAX_OPCODES = 4_000_000
MAX_INTEGER_BITS = 1_024

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"}
    | {"SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"}
    | {"BINBYTES8", "BYTEARRAY8"}
)
_IDLE = frozenset({"proto", "frame", "stop"})
_PUTS = frozenset({"put", "binput", "long_binput"})
_GETS = frozenset({"get", "binget", "long_binget"})
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Name:
    """Something that the pickle names: ``torch._utils._rebuild_tensor_v2``."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


_ORDERED = Name("collections", "OrderedDict")


@dataclass(eq=False)
class Call:
    """What calling a name would make; `state` is what would be set on it."""

    what: Any
    arguments: Any
    state: Any = None


@dataclass(frozen=True)
class Storage:
    """A run of numbers in another entry of the archive.

    Attributes:
        key: Of that entry.
        kind: The name of its class: ``FloatStorage``.
        count: How many numbers it claims.
    """

    key: str
    kind: str
    count: int


@dataclass(eq=False)
class Followed:
    """What a pickle makes.

    Attributes:
        value: Its last value: plain values, lists, dicts, tuples, `Call`, `Name` and `Storage`.
        storages: All that it names, by key.
    """

    value: Any
    storages: dict[str, Storage]


def follow(raw: bytes, where: str) -> Followed:
    """What a pickle would make.

    Args:
        raw: The pickle.
        where: For the text of a refusal.

    Raises:
        SubmissionError: It is broken, too long, or uses what no writer of torch writes.
    """
    if len(raw) > MAX_PICKLE_BYTES:
        raise fault(where, f"the pickle has `{len(raw)}` bytes; at most `{MAX_PICKLE_BYTES}` are read")
    machine = _Machine(where=where)
    try:
        for number, (code, argument, _) in enumerate(pickletools.genops(raw)):
            if number >= MAX_OPCODES:
                raise fault(where, f"the pickle has more than `{MAX_OPCODES}` steps")
            machine.step(code.name, argument)
        if len(machine.stack) != 1:
            raise ValueError("values are left over")
        value = machine.pop()
    except SubmissionError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise fault(where, f"the pickle is broken: {shown(error, characters=120)}") from error
    return Followed(value=value, storages=machine.storages)


@dataclass(eq=False)
class _Machine:
    where: str
    stack: list[Any] = field(default_factory=list[Any])
    memo: dict[int, Any] = field(default_factory=dict[int, Any])
    storages: dict[str, Storage] = field(default_factory=dict[str, Storage])

    def step(self, code: str, argument: Any) -> None:
        if code in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > MAX_INTEGER_BITS:
                raise ValueError(f"a number has more than {MAX_INTEGER_BITS} bits")
            self.stack.append(argument)
        elif code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code in _TUPLES:
            self._tuple(_TUPLES[code])
        else:
            self._act(code.lower(), argument)

    def _act(self, code: str, argument: Any) -> None:
        """A step that is more than a plain value."""
        if code in _PUTS:
            self.memo[argument] = self.stack[-1]
        elif code in _GETS:
            self.stack.append(self.memo[argument])
        elif code == "global":
            module, _, attribute = str(argument).partition(" ")
            self.stack.append(Name(module, attribute))
        elif code not in _IDLE:
            act = getattr(self, f"_do_{code}", None)
            if act is None:
                raise fault(self.where, f"the pickle uses `{code.upper()}`, which no state of torch does")
            act()

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark is where a value should be")
        return value

    def _above_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _tuple(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def _do_mark(self) -> None:
        self.stack.append(_MARK)

    def _do_tuple(self) -> None:
        self.stack.append(tuple(self._above_mark()))

    def _do_list(self) -> None:
        self.stack.append(self._above_mark())

    def _do_empty_list(self) -> None:
        self.stack.append([])

    _do_empty_set = _do_empty_list
    _do_frozenset = _do_list

    def _do_append(self) -> None:
        value = self.pop()
        self._add_all(self.stack[-1], [value])

    def _do_appends(self) -> None:
        items = self._above_mark()
        self._add_all(self.stack[-1], items)

    _do_additems = _do_appends

    def _add_all(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, list):
            raise ValueError("values are added to what is no list")
        cast(list[Any], target).extend(items)

    def _do_empty_dict(self) -> None:
        self.stack.append({})

    def _do_dict(self) -> None:
        items = self._above_mark()
        self.stack.append({})
        self._set_all(items)

    def _do_setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self._set_all([key, value])

    def _do_setitems(self) -> None:
        self._set_all(self._above_mark())

    def _set_all(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):
            target.state = {} if target.state is None else target.state
            target = target.state
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("keys and values are set on what is no dict")
        table = cast(dict[Any, Any], target)
        for key, value in zip(items[::2], items[1::2], strict=True):
            # A key is only wanted for a name; two keys that read alike must not lose one of two values.
            known = key if isinstance(key, str | int) and key not in table else f"{_key(key)}#{len(table)}"
            table[known] = value

    def _do_stack_global(self) -> None:
        attribute, module = self.pop(), self.pop()
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise ValueError("a name is no text")
        self.stack.append(Name(module, attribute))

    def _do_reduce(self) -> None:
        arguments, what = self.pop(), self.pop()
        if what == _ORDERED and arguments == ():
            self.stack.append({})
        else:
            self.stack.append(Call(what, arguments))

    _do_newobj = _do_reduce

    def _do_newobj_ex(self) -> None:
        keywords, arguments, what = self.pop(), self.pop(), self.pop()
        self.stack.append(Call(what, (arguments, keywords)))

    def _do_build(self) -> None:
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Call):
            target.state = state if target.state is None else (target.state, state)

    def _do_binpersid(self) -> None:
        told = self.pop()
        if not isinstance(told, tuple) or len(cast(tuple[Any, ...], told)) < 5:
            raise ValueError("a persistent id is no storage of torch")
        word, kind, key, _, count = cast(tuple[Any, ...], told)[:5]
        if word != "storage" or not isinstance(kind, Name) or not isinstance(key, str) or not isinstance(count, int):
            raise ValueError("a persistent id is no storage of torch")
        storage = Storage(key=key, kind=kind.attribute, count=count)
        if self.storages.setdefault(key, storage) != storage:
            raise fault(self.where, f"the storage {shown(key)} is told of in two ways")
        self.stack.append(storage)

    def _do_memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _do_pop(self) -> None:
        self.stack.pop()

    def _do_pop_mark(self) -> None:
        self._above_mark()

    def _do_dup(self) -> None:
        self.stack.append(self.stack[-1])


def _key(key: Any) -> str:
    return key[:80] if isinstance(key, str) else str(key)[:80] if isinstance(key, int | float | Name) else "key"
