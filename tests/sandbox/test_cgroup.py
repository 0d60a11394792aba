"""Control groups, on folders that look like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podium.sandbox import cgroup
from podium.sandbox.cgroup import Hierarchies, hierarchies, open_group
from podium.types import Limits

LIMITS = Limits(wall_seconds=1, memory_bytes=1 << 20, processes=10, cpus=1.5)
NOBODY = 1 << 23  # above the largest process id that Linux gives
V2_FILES = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.peak": "4096",
    "memory.current": "1024",
    "memory.events": "low 0\noom 1\noom_kill 1\n",
    "pids.max": "max",
    "pids.peak": "7",
    "pids.events": "max 3\n",
    "cpu.max": "max 100000",
    "cpu.stat": "usage_usec 2500000\nuser_usec 0\n",
    "cgroup.procs": "",
    "cgroup.kill": "",
}


@pytest.fixture
def delegated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version 2 group that has controllers to share out; new folders below it get their files, as the kernel does."""
    base = tmp_path / "user.slice"
    base.mkdir()
    (base / "cgroup.controllers").write_text("cpu memory pids")
    (base / "cgroup.subtree_control").write_text("cpu memory pids")
    (base / "cgroup.procs").write_text("1\n2\n")
    make, rmdir = Path.mkdir, Path.rmdir

    def mkdir(self: Path, *arguments: int, **options: bool) -> None:
        make(self, *arguments, **options)
        for name, text in V2_FILES.items():
            (self / name).write_text(text)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", lambda self: [place.unlink() for place in self.iterdir()] and rmdir(self))
    return base


def test_version_2_takes_every_limit(delegated: Path) -> None:
    group = open_group("podium-1-0", LIMITS, found=Hierarchies({}, delegated, delegated))
    assert group is not None
    assert group.version == 2
    assert group.binds == {"memory", "pids", "cpu time", "cpus"}
    folder = delegated / "podium-1-0"
    assert (folder / "memory.max").read_text().startswith(str(1 << 20))
    assert (folder / "memory.swap.max").read_text().startswith("0")
    assert (folder / "memory.oom.group").read_text() == "1"
    assert (folder / "pids.max").read_text().startswith("11")
    assert (folder / "cpu.max").read_text().startswith("150000 100000")
    assert group.memory_kills() == 1
    assert group.refused_forks() == 3
    assert group.peak_memory_bytes() == 4096
    assert group.peak_processes() == 6
    assert group.cpu_seconds() == pytest.approx(2.5)
    group.begin()
    assert group.cpu_seconds() == 0.0
    group.add(NOBODY)
    assert (folder / "cgroup.procs").read_text() == str(NOBODY)
    group.close()
    assert not folder.exists()


def test_a_group_that_shares_nothing_out_is_not_taken(delegated: Path) -> None:
    (delegated / "cgroup.controllers").write_text("")
    assert open_group("podium-1-0", LIMITS, found=Hierarchies({}, delegated, delegated)) is None


def test_a_stale_group_of_that_name_is_removed_first(delegated: Path) -> None:
    stale = delegated / "podium-1-0"
    os.mkdir(stale)  # noqa: PTH102 - without the kernel's files
    (stale / "cgroup.procs").write_text("")
    (stale / "old").touch()
    group = open_group("podium-1-0", LIMITS, found=Hierarchies({}, delegated, delegated))
    assert group is not None
    assert not (stale / "old").exists()


def test_without_any_hierarchy_there_is_no_group() -> None:
    assert open_group("podium-1-0", LIMITS, found=Hierarchies({})) is None


def test_own_groups_are_found_in_version_1_and_2(tmp_path: Path) -> None:
    for name in ("memory/service", "cpu,cpuacct/service", "unified/user"):
        (tmp_path / name).mkdir(parents=True)
    mountinfo = (
        f"30 24 0:26 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
        f"31 24 0:27 / {tmp_path}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        f"32 24 0:28 / {tmp_path}/unified rw shared:9 - cgroup2 cgroup2 rw\n"
        "33 24 0:29 / /home rw - ext4 /dev/vda rw\n"
    )
    found = hierarchies(mountinfo, "5:memory:/service\n4:cpu,cpuacct:/service\n1:name=systemd:/\n0::/user\n")
    assert found.v1["memory"] == tmp_path / "memory" / "service"
    assert found.v1["cpuacct"] == found.v1["cpu"] == tmp_path / "cpu,cpuacct" / "service"
    assert found.v2 == tmp_path / "unified" / "user"
    assert found.v2_root == tmp_path / "unified"


def test_a_membership_told_from_outside_a_container_falls_back_to_the_mount(tmp_path: Path) -> None:
    mountinfo = f"30 24 0:26 /docker/abc {tmp_path} rw - cgroup2 cgroup2 rw\n"
    assert hierarchies(mountinfo, "0::/docker/abc\n").v2 == tmp_path
    assert hierarchies(mountinfo, "0::/elsewhere/def\n").v2 == tmp_path


@pytest.mark.sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_kernels_own_groups_work_where_they_can_be_written() -> None:
    group = open_group("podium-test", Limits(wall_seconds=1, memory_bytes=64 << 20, processes=10))
    if group is None:
        pytest.skip("no control group can be written here")
    try:
        assert "pids" in group.binds or "memory" in group.binds
        assert all(folder.is_dir() for folder in group.folders.values())
    finally:
        group.close()
    assert not any(folder.exists() for folder in group.folders.values())


def test_removing_a_group_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    cgroup.remove(tmp_path / "absent")
