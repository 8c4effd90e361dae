"""lastbranch.Machine: step by step, several at a time, from several threads."""

import os
import threading
import time
from pathlib import Path

import lastbranch
import numpy as np
import pytest
from lastbranch import Machine

ENDLESS = "while :; do :; done"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_steps_are_exact(busybox: str) -> None:
    machine = Machine([busybox, "true"])

    for step in (1, 2, 999, 10_000):
        before = machine.instructions
        assert machine.run(step).how == "limit"
        assert machine.instructions == before + step


def test_stepping_changes_nothing(busybox: str) -> None:
    at_once = Machine([busybox, "true"])
    stepped = Machine([busybox, "true"])

    end = at_once.run()
    while not (outcome := stepped.run(777)).ended:
        pass

    assert outcome == end == lastbranch.Outcome("exited", 0)
    assert stepped.facts == at_once.facts
    assert stepped.registers == at_once.registers


def test_machines_interleave(busybox: str) -> None:
    names = ["skylake", "haswell", "nehalem"]
    alone = []
    for name in names:
        machine = Machine([busybox, "echo", name], uarch=name, stdout=lastbranch.CAPTURE)
        machine.run()
        alone.append((machine.stdout, machine.facts))

    machines = [Machine([busybox, "echo", n], uarch=n, stdout=lastbranch.CAPTURE) for n in names]
    running = list(machines)
    while running:
        running = [machine for machine in running if not machine.run(1000).ended]

    assert [(machine.stdout, machine.facts) for machine in machines] == alone


def test_machines_leave_nothing_behind(busybox: str) -> None:
    def one() -> None:
        Machine([busybox, "true"], stdout=lastbranch.CAPTURE, stdin=b"x").run()

    for _ in range(20):
        one()
    descriptors, memory = sorted(Path("/proc/self/fd").iterdir()), resident()
    for _ in range(100):
        one()

    assert sorted(Path("/proc/self/fd").iterdir()) == descriptors
    assert resident() < memory + (16 << 20)


def test_ring_records_when_enabled(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    assert machine.lbr.depth == 32
    machine.run(1000)
    assert len(machine.lbr) == 0

    machine.lbr.enable()
    machine.run(5000)
    entries = machine.lbr.entries()

    assert len(entries) == 32
    assert machine.lbr.enabled
    machine.lbr.disable()
    machine.run(1000)
    assert (machine.lbr.entries() == entries).all()
    machine.lbr.clear()
    assert len(machine.lbr) == 0


def test_registers_of_the_ring_are_what_entries_say(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    machine.lbr.enable()
    machine.run(5000)

    newest = machine.lbr.entries()[0]
    top = machine.msr["MSR_LASTBRANCH_TOS"]

    assert machine.msr[f"MSR_LASTBRANCH_{top}_FROM_IP"] == newest["from"]
    assert machine.msr[f"msr_lastbranch_{top}_to_ip"] == newest["to"]
    assert machine.msr["IA32_DEBUGCTL"] & 1


def test_msrs_are_a_mapping(busybox: str) -> None:
    machine = Machine([busybox, "true"])

    assert "IA32_DEBUGCTL" in machine.msr
    assert "IA32_NONE" not in machine.msr
    assert set(machine.msr) > {"IA32_DEBUGCTL", "MSR_LBR_SELECT"}
    machine.msr["MSR_LBR_SELECT"] = 0x4
    assert machine.msr["MSR_LBR_SELECT"] == 0x4
    with pytest.raises(KeyError):
        machine.msr["IA32_NONE"]
    with pytest.raises(lastbranch.Error):
        machine.msr["MSR_LBR_SELECT"] = 1 << 40


def test_counters_start_when_they_are_made(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    whole = machine.count("instructions:u")
    machine.run(4000)
    rest = machine.count("instructions:u")
    machine.run(3000)

    assert (whole.value, rest.value) == (7000, 3000)
    assert repr(rest) == "<Counter instructions:u: 3000>"


def test_memory_and_registers_show_the_program(busybox: str) -> None:
    machine = Machine([busybox, "true"])

    registers = machine.registers
    argument_count = int.from_bytes(machine.read_memory(registers["rsp"], 8), "little")
    mapping = next(m for m in machine.mappings if m.address <= registers["rip"] < m.address + m.length)
    offset = registers["rip"] - mapping.address + mapping.offset

    assert argument_count == 2
    assert mapping.path == str(Path(busybox).resolve())
    assert machine.read_memory(registers["rip"], 64) == Path(busybox).read_bytes()[offset : offset + 64]
    with pytest.raises(lastbranch.Error, match="0x0"):
        machine.read_memory(0, 8)


def test_output_can_be_read_on_the_way(busybox: str) -> None:
    machine = Machine([busybox, "yes"], stdout=lastbranch.CAPTURE)
    assert machine.stdout == b""

    machine.run(2_000_000)

    assert machine.stdout is not None
    assert machine.stdout.startswith(b"y\ny\n")


def test_other_threads_run_meanwhile(busybox: str) -> None:
    machine = Machine([busybox, "sh", "-c", ENDLESS])
    ticks = 0
    done = threading.Event()

    def simulate() -> None:
        machine.run(20_000_000)
        done.set()

    thread = threading.Thread(target=simulate)
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.001)
    thread.join()

    assert ticks > 5
    assert machine.instructions == 20_000_000


def test_a_running_machine_is_left_alone(busybox: str) -> None:
    machine = Machine([busybox, "sh", "-c", ENDLESS])
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(machine.run()))
    thread.start()
    try:
        time.sleep(0.05)
        with pytest.raises(lastbranch.Error, match="another thread"):
            machine.run(1)
        with pytest.raises(lastbranch.Error, match="another thread"):
            machine.registers  # noqa: B018
    finally:
        machine.request_stop()
        thread.join()

    assert outcomes == [lastbranch.Outcome("stopped", 0)]
    assert machine.run(1000).how == "limit"


def test_machines_in_threads_give_the_same_as_alone(busybox: str) -> None:
    command = [busybox, "sha256sum", busybox]
    expected = lastbranch.run(command, stdout=lastbranch.CAPTURE)
    results: list[lastbranch.RunResult] = []

    threads = [
        threading.Thread(target=lambda: results.append(lastbranch.run(command, stdout=lastbranch.CAPTURE)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(r.stdout, r.counts) for r in results] == [(expected.stdout, expected.counts)] * 3


def test_memory_of_the_program_is_counted(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    before = machine.resident_bytes

    machine.run()

    assert 0 < before < machine.resident_bytes < 4 << 20


def test_entries_are_a_copy(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    machine.lbr.enable()
    machine.run(3000)
    entries = machine.lbr.entries()
    kept = entries.copy()

    machine.run(3000)

    assert np.array_equal(entries, kept)
    assert not np.array_equal(machine.lbr.entries(), kept)


def test_machine_describes_itself(busybox: str) -> None:
    machine = Machine([busybox, "true"], uarch="haswell")
    machine.run(5)

    assert repr(machine) == f"<Machine {busybox} on haswell, 5 instructions>"
    assert repr(machine.lbr) == "<HartLbr off, 0 of 16 records>"


def test_a_depth_is_given_once(busybox: str) -> None:
    with pytest.raises(lastbranch.Error, match="lbr_depth: expected it once"):
        Machine([busybox, "true"], lbr_depth=8, overrides={"lbr_depth": 16})
