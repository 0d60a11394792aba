"""`podium list` and `podium show`."""

from __future__ import annotations

import click

from podium.challenges import challenge as find_challenge
from podium.challenges import challenges
from podium.cli import talk
from podium.cli.options import challenge_argument, json_option, print_json
from podium.types import Challenge


@click.command("list", epilog="\b\nExample:\n  podium list --json")
@json_option
def list_command(as_json: bool) -> None:
    """The challenges that are installed."""
    known = challenges().values()
    if as_json:
        print_json([_facts(each) for each in known])
        return
    talk.table(("id", "metric", "title"), ((each.id, each.metric.name, each.title) for each in known))


@click.command("show", epilog="\b\nExample:\n  podium show vsc-descriptor")
@challenge_argument
@json_option
def show_command(challenge_id: str, as_json: bool) -> None:
    """One challenge: what a submission writes, what judges it, what it may use."""
    found = find_challenge(challenge_id)
    if as_json:
        print_json(_facts(found))
        return
    limits = found.limits
    per_query = f" + {found.wall_seconds_per_query:g} s a query" if found.wall_seconds_per_query else ""
    rows = [
        ("id", f"{found.id}@{found.version}"),
        ("title", found.title),
        ("summary", found.summary),
        ("metric", "; ".join(f"{each.name}: {each.summary}" for each in found.metrics)),
        ("uploads", ", ".join(found.uploads) or "none"),
        ("main.py writes", ", ".join(found.outputs)),
        ("runs in", found.workdir),
        ("sees", ", ".join(f"inputs/{part} at {target}" for part, target in found.mounts)),
        ("also copied", ", ".join(f"inputs/{part} to {found.workdir}/{name}" for part, name in found.copies) or "none"),
        ("wall time", f"{talk.seconds(limits.wall_seconds)}{per_query}"),
        ("processors", "all" if limits.cpus is None else f"{limits.cpus:g}"),
        ("memory", talk.size(limits.memory_bytes)),
        ("graphics cards", str(limits.gpus) if limits.gpus else "none"),
        ("processes", str(limits.processes)),
        ("phases", "; ".join(f"{each.name}: {each.summary}" for each in found.phases)),
        ("templates", "; ".join(f"{each.name}: {each.summary}" for each in found.templates)),
        ("rules", found.rules),
    ]
    talk.table(("", ""), rows)


def _facts(found: Challenge) -> dict[str, object]:
    return {
        "id": found.id,
        "version": found.version,
        "title": found.title,
        "summary": found.summary,
        "rules": found.rules,
        "metrics": found.metrics,
        "limits": found.limits,
        "wall_seconds_per_query": found.wall_seconds_per_query,
        "phases": found.phases,
        "uploads": found.uploads,
        "outputs": found.outputs,
        "workdir": found.workdir,
        "mounts": found.mounts,
        "templates": [{"name": each.name, "summary": each.summary} for each in found.templates],
    }
