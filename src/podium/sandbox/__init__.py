"""Runs other people's code within walls and limits, and tells what became of it.

```
podium.sandbox.sandbox("auto").run(Box(...), out)  ->  Run
```
"""

from __future__ import annotations

from podium.errors import MachineError, UsageError, nearest
from podium.sandbox.base import Box, Diagnosis, Sandbox
from podium.sandbox.bubblewrap import Bubblewrap, find
from podium.sandbox.container import Container
from podium.sandbox.diagnosis import diagnose
from podium.sandbox.process import Process

__all__ = ["BACKENDS", "Box", "Diagnosis", "Sandbox", "diagnose", "sandbox"]

BACKENDS = ("auto", "bubblewrap", "container", "process")


def sandbox(name: str = "auto") -> Sandbox:
    """The back end of that name; ``auto`` is bubblewrap, else a container engine that answers.

    ``process`` has no walls and is given only when it is named.

    >>> sandbox("process").name
    'process'

    Raises:
        UsageError: No back end has that name.
        MachineError: Neither bubblewrap nor a container engine works here; says what to install.
    """
    if name not in BACKENDS:
        raise UsageError(f"no sandbox is called `{name}`; {nearest(name, BACKENDS)}")
    if name == "bubblewrap":
        return Bubblewrap(program=find())
    if name == "process":
        return Process()
    if name == "container":
        return Container.found()
    try:
        return Bubblewrap(program=find())
    except MachineError as without_bubblewrap:
        try:
            return Container.found()
        except MachineError as without_container:
            raise MachineError(
                f"nothing here can run a submission safely: {without_bubblewrap}; {without_container}"
            ) from None
