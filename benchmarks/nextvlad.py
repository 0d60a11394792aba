"""NeXtVLAD as matrix products against its five-dimensional form: time, memory, and the distance to the bare products.

    OMP_NUM_THREADS=1 python benchmarks/nextvlad.py [--clips 16] [--frames 150] [--rounds 5]

Both are the whole video network of 32,570,757 parameters with the same weights, in single precision, one forward and
backward pass over all frames; outputs and gradients are compared first. Time is processor time of this process, rounds
alternate, medians count; the ratio is the median of the ratios within a round. Memory is that of one step in a process
of its own for each form: its peak resident size in the step less that before the step, so with gradients and with what
the libraries load at their first use, the median of three processes, which alternate too. The limit is what the matrix
products of Podium's step take by themselves, on operands that are there already; `distance` is the whole step over it.
"""

from __future__ import annotations

import argparse
import resource
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from podium.solutions.segment_classification.clips import AUDIO, DIMENSIONS, RGB
from podium.solutions.segment_classification.network import Network, NetworkSettings, build, parameters

PLAIN = Path(__file__).parents[1] / "tests" / "segment_classification" / "plain_vlad.py"
FORMS = ("podium", "plain")
PROCESSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", choices=FORMS, help="print the bytes of one step of this form, and end")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory_of:
        print(step_bytes(asked.memory_of, asked.clips, asked.frames))
        return
    compare(asked.clips, asked.frames)
    times = {form: [] for form in (*FORMS, "limit")}
    work = {form: step_of(network(form), asked.clips, asked.frames) for form in FORMS}
    work["limit"] = products(network("podium"), asked.clips * asked.frames, asked.clips)
    for each in work.values():
        each()
    for number in range(asked.rounds):
        for form in sorted(work, reverse=bool(number % 2)):
            times[form].append(seconds(work[form]))
    memory = {form: [] for form in FORMS}
    for _ in range(PROCESSES):
        for form in FORMS:
            memory[form].append(child_bytes(form, asked.clips, asked.frames))
    tell(asked, times, memory)


def tell(asked: argparse.Namespace, times: dict[str, list[float]], memory: dict[str, list[int]]) -> None:
    print(f"{asked.clips} x {asked.frames} frames, {asked.rounds} rounds, one thread")
    for form in FORMS:
        middle = statistics.median(times[form])
        spread = f"{min(times[form]):.3f} to {max(times[form]):.3f}"
        print(f"{form:8} {middle:7.3f} s ({spread})  {statistics.median(memory[form]) / 2**20:6.0f} MiB a step")
    ratios = [plain / podium for plain, podium in zip(times["plain"], times["podium"], strict=True)]
    distances = [podium / limit for podium, limit in zip(times["podium"], times["limit"], strict=True)]
    print(f"limit    {statistics.median(times['limit']):7.3f} s, the matrix products by themselves")
    print(f"faster   {statistics.median(ratios):7.2f} x ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"smaller  {statistics.median(memory['plain']) / statistics.median(memory['podium']):7.2f} x")
    print(f"distance {statistics.median(distances):7.2f} x the limit")


def network(form: str) -> Network:
    """The network of the YAML settings, with one of the two poolings."""
    torch.manual_seed(0)
    made = build(NetworkSettings())
    if form == "plain":
        plain = runpy.run_path(str(PLAIN))["PlainVlad"]
        made.encoder.rgb, made.encoder.audio = plain(made.encoder.rgb), plain(made.encoder.audio)
    if parameters(made) != 32_570_757:
        sys.exit(f"the network has {parameters(made)} parameters, not 32,570,757")
    return made


def step_of(made: Network, clips: int, frames: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randint(0, 256, (clips, frames, DIMENSIONS), generator=generator, dtype=torch.uint8)
    mask = torch.ones(clips, frames, dtype=torch.bool)
    labels = (torch.rand(clips, made.settings.classes, generator=generator) < 0.003).float()

    def step() -> Tensor:
        made.zero_grad(set_to_none=True)
        logits = made(features, mask)
        functional.binary_cross_entropy_with_logits(logits, labels).backward()
        return logits.detach()

    return step


def products(made: Network, rows: int, clips: int) -> Callable[[], None]:
    """The matrix products of a step of Podium's form, forward and backward, and nothing else."""
    pairs: list[tuple[Tensor, Tensor]] = []
    for layer, narrow in ((made.encoder.rgb, RGB), (made.encoder.audio, AUDIO)):
        wide, slots = 2 * narrow, layer.clusters * layer.groups
        sizes = [(rows, narrow, wide), (wide, rows, narrow)]
        if rows > 1.5 * narrow:
            together = slots + layer.groups
            sizes += [(rows, narrow, together), (together, rows, narrow)]
            sizes += [(together, wide, narrow), (together, narrow, wide), (wide, together, narrow)]
        else:
            sizes += [(rows, wide, slots), (slots, rows, wide), (rows, slots, wide)]
        pairs += [(torch.randn(one, two), torch.randn(two, three)) for one, two, three in sizes]
        spread, size = rows // clips * layer.groups, wide // layer.groups
        weights, groups = torch.randn(clips, spread, layer.clusters), torch.randn(clips, spread, size)
        sums = torch.randn(clips, layer.clusters, size)
        pairs += [(weights.transpose(1, 2), groups), (weights, sums), (groups, sums.transpose(1, 2))]
    linears = [each for each in made.modules() if isinstance(each, torch.nn.Linear)]
    for each in linears:
        out, inside = each.weight.shape
        if out > 512 and each not in (made.encoder.rgb.expand, made.encoder.rgb.assign):
            pairs += [(torch.randn(clips, inside), each.weight.detach().t())]
            pairs += [(torch.randn(out, clips), torch.randn(clips, inside))]
            pairs += [(torch.randn(clips, out), each.weight.detach())]

    def multiply() -> None:
        for one, two in pairs:
            one @ two

    return multiply


def compare(clips: int, frames: int) -> None:
    """Ends the run where the two forms differ by more than single precision explains."""
    made = {form: network(form).eval() for form in FORMS}
    out = {form: step_of(each, clips, frames)() for form, each in made.items()}
    slopes = {form: dict(each.named_parameters()) for form, each in made.items()}
    far = float((out["podium"] - out["plain"]).abs().max())
    for name, each in slopes["plain"].items():
        wanted, found = each.grad, slopes["podium"][name].grad
        far = max(far, float((wanted - found).norm() / wanted.norm().clamp(min=1e-12)))
    if far > 1e-3:
        sys.exit(f"the two forms differ by {far}")
    print(f"outputs and gradients differ by {far:.1e} at most")


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def step_bytes(form: str, clips: int, frames: int) -> int:
    """The highest resident size of this process in a step, less that before it."""
    step = step_of(network(form), clips, frames)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    Path("/proc/self/clear_refs").write_text("5")
    step()
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 - before


def child_bytes(form: str, clips: int, frames: int) -> int:
    words = [sys.executable, __file__, "--memory-of", form, "--clips", str(clips), "--frames", str(frames)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
