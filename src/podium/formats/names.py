"""Which names a file in an archive may have, so that it unpacks to the same place everywhere and nowhere else."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

_MAX_PART_BYTES = 255
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def name_fault(name: str, *, max_characters: int, max_depth: int) -> str | None:
    r"""Why a name is not allowed, or None.

    Args:
        name: With ``/`` between folders; a folder's own name may end in one.
        max_characters: Of the whole name.
        max_depth: The most parts between slashes.

    >>> name_fault("assets/model.pt", max_characters=200, max_depth=8)
    >>> name_fault("../main.py", max_characters=200, max_depth=8)
    'a name may not contain `..`'
    """
    parts = name.removesuffix("/").split("/")
    rules = (
        (not name.strip("/"), "a name may not be empty"),
        (len(name) > max_characters, f"the name has `{len(name)}` characters; at most `{max_characters}` are allowed"),
        (len(parts) > max_depth, f"the name is `{len(parts)}` folders deep; at most `{max_depth}` are allowed"),
        (name.startswith("/"), "a name may not begin with `/`"),
        ("\\" in name, "a name may not contain a backslash"),
        (":" in name, "a name may not contain a colon"),
        (".." in parts, "a name may not contain `..`"),
        ("." in parts or ("" in parts and not name.startswith("/")), "a name may not contain `.` or an empty part"),
        (any(unicodedata.category(c) in _HIDDEN_CATEGORIES for c in name), "a name may not contain control characters"),
        (any(_byte_length(part) > _MAX_PART_BYTES for part in parts), f"a part has over `{_MAX_PART_BYTES}` bytes"),
    )
    return next((fault for broken, fault in rules if broken), None)


def collisions(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a name and an earlier one that could not lie side by side on every file system.

    Names are the same when they differ only in upper and lower case or in how accents are encoded. A name that ends in
    ``/`` is a folder; folders may come again when spelt alike, files may not.

    >>> list(collisions(["a/x", "A/y", "a", "b", "b"]))
    [('A/y', 'a/x'), ('a', 'a/x'), ('b', 'b')]
    """
    seen: dict[str, tuple[str, bool, int, str]] = {}
    for index, name in enumerate(names):
        parts = name.removesuffix("/").split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            is_file = depth == len(parts) and not name.endswith("/")
            spelt, was_file, first, whole = seen.setdefault(_folded(path), (path, is_file, index, name))
            if first != index and (spelt != path or is_file or was_file):
                yield name, whole
                break


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _byte_length(part: str) -> int:
    return len(part.encode("utf-8", "surrogatepass"))
