"""Bars compare like with like."""

from __future__ import annotations

from podium.report.meters import meters
from podium.sandbox import controls as sandbox_controls
from podium.types import Control, Enforcement, Limits, OutputFile, Run, Usage


def control(name: str, asked: str) -> Control:
    return Control(name=name, asked=asked, enforcement=Enforcement.ENFORCED, how="")


def run(*controls: Control, usage: Usage, outputs: tuple[OutputFile, ...] = ()) -> Run:
    return Run(backend="process", failure=None, message="", usage=usage, controls=controls, outputs=outputs)


def test_use_is_measured_against_the_words_of_its_own_control() -> None:
    usage = Usage(wall_seconds=900, cpu_seconds=30, peak_memory_bytes=3 << 30, peak_processes=128, log_bytes=1 << 19)
    controls = (
        control("wall time", "30 min"),
        control("CPU time", "1 min"),
        control("memory", "2 GiB"),
        control("processes", "512"),
        control("log", "1,048,576 bytes"),
    )
    shares = {each.name: (each.share, each.level) for each in meters(run(*controls, usage=usage))}
    assert shares == {
        "Wall time": (0.5, "fine"),
        "CPU time": (0.5, "fine"),
        "Memory, peak": (1.5, "over"),
        "Processes, peak": (0.25, "fine"),
        "Log": (0.5, "fine"),
    }


def test_a_limit_of_another_kind_is_no_limit_for_this_use() -> None:
    outputs = (OutputFile(name="a", size_bytes=1 << 20, digest=""), OutputFile(name="b", size_bytes=1 << 20, digest=""))
    controls = (control("output files", "2,000"), control("output size", "8 MiB"))
    made = {each.name: each for each in meters(run(*controls, usage=Usage(wall_seconds=1), outputs=outputs))}
    assert made["Output"].share == 0.25
    assert (made["Output"].used, made["Output"].limit, made["Output"].percent) == ("2 MiB", "8 MiB", "25 %")


def test_what_was_not_asked_or_not_measured_gets_no_bar() -> None:
    made = {
        each.name: each
        for each in meters(run(control("CPU time", "no limit"), usage=Usage(wall_seconds=5, cpu_seconds=5)))
    }
    assert set(made) == {"Wall time", "CPU time", "Log"}
    assert (made["CPU time"].share, made["CPU time"].limit) == (None, "no limit")
    assert (made["Wall time"].share, made["Wall time"].limit) == (None, "no limit known")


def test_near_the_limit_is_told() -> None:
    (wall, _) = meters(run(control("wall time", "100 s"), usage=Usage(wall_seconds=85)))
    assert (wall.level, wall.percent) == ("near", "85 %")


def test_the_sandbox_words_its_limits_so_that_each_gets_a_bar() -> None:
    limits = Limits(
        wall_seconds=100,
        cpu_seconds=200,
        memory_bytes=1000 << 20,
        processes=50,
        scratch_bytes=800 << 20,
        output_bytes=600 << 20,
        log_bytes=400 << 10,
    )
    usage = Usage(
        wall_seconds=10,
        cpu_seconds=40,
        peak_memory_bytes=300 << 20,
        peak_processes=20,
        written_bytes=400 << 20,
        log_bytes=280 << 10,
    )
    outputs = (OutputFile(name="a", size_bytes=360 << 20, digest=""),)
    made = meters(run(*sandbox_controls.of_process(limits), usage=usage, outputs=outputs))
    assert [(each.name, each.share) for each in made] == [
        ("Wall time", 0.1),
        ("CPU time", 0.2),
        ("Memory, peak", 0.3),
        ("Processes, peak", 0.4),
        ("Written", 0.5),
        ("Output", 0.6),
        ("Log", 0.7),
    ]
