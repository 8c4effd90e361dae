"""Sequences of operations on one vCPU, answered by the naive model.

The operations are those of the reference set "sequence": C sets a CPUID profile, P, D and L write 345H, 1D9H
and LBR_TOS, R reads, E sets what perf does with the event, N enters, S ends a slice, I is a PMI, Z a RESET.
"""

from random import Random

from tests.cli.kvm_naive import (
    INTEL_FORMAT,
    STATES,
    Guest,
    Host,
    Leaf,
    Registers,
    filter_debugctl,
    is_61,
    is_73,
    is_lbr,
    legal_debugctl,
    refresh,
    supported,
    write_caps,
)

NO_PDCM, NO_LEAF, OTHER_MODEL, VERSION_1, NO_BUS_LOCK = 1, 2, 3, 4, 5
Machine = tuple[bool, int, int, bool]  # bus lock, PERF_CAPABILITIES, records, PEBS


class Vcpu:
    def __init__(self, state: str, machine: Machine) -> None:
        self.state = state
        self.bus_lock, self.host_caps, self.host_records, pebs = machine
        self.supported = supported(state, Host(self.host_caps, records=self.host_records, pebs=pebs))
        self.caps, self.records, self.debugctl = self.supported, 0, 0
        self.event = self.passes = self.in_use = self.has_run = False
        self.active, self.creates = True, True
        self.profile: int | None = None
        self.warned = self.logged = False
        self.refresh()

    def refresh(self) -> None:
        """Sections 3 and 6.1."""
        kept = is_61(self.state)
        leaf = None
        if self.profile not in (None, NO_LEAF):
            leaf = Leaf(1, 4) if self.profile == VERSION_1 else Leaf()
        seen = self.seen_caps()
        pmu = refresh(self.state, leaf, seen, 8, 3, False)
        if pmu.version != 0:
            self.records = self.host_records if self.guest().model and seen & INTEL_FORMAT else 0
        elif not kept:
            self.records = 0
        self.registers = Registers(self.state, pmu, seen, ds=self.profile is not None)
        self.event = self.event and kept

    def guest(self) -> Guest:
        known = self.profile is not None
        guest = Guest(
            version=0, model=known and self.profile != OTHER_MODEL, pdcm=known and self.profile != NO_PDCM
        )
        guest.ds = guest.dtes64 = known
        guest.bus_lock = known and self.profile != NO_BUS_LOCK
        guest.has_run = self.has_run
        if hasattr(self, "registers"):
            guest.version = self.registers.pmu.version
        return guest

    def seen_caps(self) -> int:
        return self.caps if self.guest().pdcm else 0

    def make_event(self) -> None:
        if not self.event and self.creates:
            self.event = self.in_use = True

    def lbr(self, msr: int, writes: bool) -> tuple[int, int]:
        """Section 5: an intercepted LBR register."""
        self.make_event()
        if not self.event:
            return 0, 0
        self.in_use = self.active
        return 0, 0xA5A500000000 | msr if self.active and not writes else 0

    def has_lbr(self, msr: int) -> bool:
        lbr_format = self.host_caps & INTEL_FORMAT
        return self.records != 0 and is_lbr(self.state, msr, self.records, 0x680, 0x6C0, 0xDC0, lbr_format)

    def write_345(self, host_side: bool, data: int) -> int:
        answer = write_caps(self.state, host_side, data, self.supported, self.caps, self.guest())
        hidden = is_73(self.state) and not self.guest().pdcm
        if answer == 0 and not hidden and (is_61(self.state) or data != self.caps):
            self.caps = data
            self.refresh()
        return answer

    def write_1d9(self, host_side: bool, data: int) -> int:
        mask = legal_debugctl(
            self.state, host_side, self.supported, self.records != 0, self.bus_lock, False, self.guest()
        )
        answer, self.logged, value = filter_debugctl(self.state, mask, data)
        if answer == 0:
            self.debugctl = value
            if self.records and value & 1:
                self.make_event()
        return answer

    def read(self, host_side: bool, msr: int) -> tuple[int, int]:
        if msr == 0x1D9:
            return 0, self.debugctl
        if msr == 0x345:
            if self.guest().pdcm or (host_side and not is_73(self.state)):
                return 0, self.caps
            if host_side:
                return 0, 0
            return (2 if is_73(self.state) else 1), 0
        return self.lbr(msr, False) if self.has_lbr(msr) else self.registers.read(host_side, msr)

    def enter(self) -> None:
        """Section 5: the hook before VM entry."""
        self.has_run = True
        if not self.records:
            return
        if not self.event:
            self.warned = self.debugctl & 1 == 1 or self.in_use
        elif not self.active:
            self.in_use, self.warned = False, True
        self.passes = self.event and self.active

    def event_op(self, op: str) -> None:
        if op in ("Ecreate", "Enocreate"):
            self.creates = op == "Ecreate"
        else:
            self.active = op == "Eact"

    def plain(self, op: str) -> int:
        """An operation without an operand: its answer."""
        if op[0] == "C":
            if self.has_run:
                return 0 if int(op[1]) == self.profile else -22
            self.profile = int(op[1])
            self.refresh()
        elif op == "N":
            self.enter()
        elif op == "S":
            self.event = self.event and self.debugctl & 1 == 1
            self.in_use = False
        elif op == "I" and self.records and self.registers.pmu.version in (2, 3) and self.debugctl & 0x800:
            self.debugctl &= ~1
        elif op == "Z":
            self.event = self.event and not is_61(self.state)
            self.debugctl = 0
        elif op[0] == "E":
            self.event_op(op)
        return 0

    def apply(self, op: str) -> str:
        self.warned = self.logged = False
        answer, value = 0, 0
        if "=" not in op:
            answer = self.plain(op)
        else:
            host_side, operand = op[1] == "h", op[3:]
            made = {"sup": self.supported, "sup&~0x3f": self.supported & ~0x3F, "sup^1": self.supported ^ 1}
            value = made[operand] if operand in made else int(operand, 16)
            if op[0] == "P":
                answer = self.write_345(host_side, value)
            elif op[0] == "D":
                answer = self.write_1d9(host_side, value)
            elif op[0] == "L":
                answer = self.lbr(0x1C9, True)[0] if self.has_lbr(0x1C9) else 2
            else:
                answer, value = self.read(host_side, value)
        return self.shown(answer, value)

    def shown(self, answer: int = 0, value: int = 0) -> str:
        flags = "".join(str(int(flag)) for flag in (self.event, self.passes, self.in_use))
        return (
            f" {answer}:{value:#x}|{self.caps:x}.{self.records}.{self.debugctl:x}.{flags}"
            f".w{int(self.warned)}.l{int(self.logged)}"
        )


def play(state: str, machine: Machine, ops: str) -> str:
    vcpu = Vcpu(state, machine)
    return vcpu.shown() + "".join(vcpu.apply(op) for op in ops.split())


PLAIN = ["C0", "C0", "C0", "C1", "C2", "C3", "C4", "C5", "N", "N", "S", "I", "Z"]
PLAIN += ["Eact", "Einact", "Eerr", "Enocreate", "Ecreate"]
CAPS = ["sup", "sup", "sup&~0x3f", "sup^1", "0x0", "0x4", "0x5", "0x2000", "0x2005", "0x24c0", "0x80000000"]
DEBUGCTL = [0, 1, 2, 3, 4, 5, 0x40, 0x800, 0x801, 0x803, 0x805, 0x1000, 0x4801, 0x8001]
READ = [0x1D9, 0x1C9, 0x345, 0x680, 0x69F, 0x6C0, 0xDC0, 0x4C1, 0xC1, 0xC8, 0x309, 0x30B, 0x186, 0x18D, 0x38D]
READ += [0x38E, 0x390, 0x3F1, 0x3F2, 0x600, 0x1DB, 0x1C8, 0xC0010000, 0xC0010200]


def operation(r: Random) -> str:
    side = r.choice("hg")
    debugctl = f"D{side}={r.choice(DEBUGCTL):#x}"
    others = [f"P{side}={r.choice(CAPS)}", f"R{side}={r.choice(READ):#x}", f"L{side}=0x7"]
    return r.choice([r.choice(PLAIN), r.choice(PLAIN), debugctl, debugctl, *others])


def sequences(count: int, seed: int) -> str:
    """A file of `count` random sequences, over all states."""
    r = Random(f"sequence {seed}")
    lines = ["state,host_buslock,host_perf_cap,lbr_nr,pebs_ok,seq_id,ops,results"]
    for number in range(count):
        state = STATES[number % len(STATES)]
        caps, records = r.choice([0x32C5, 0x34C5, 0x74C5, 0x2004, 0x5]), r.choice([0, 8, 16, 32, 32])
        machine = (r.random() < 0.5, caps, records, r.random() < 0.5)
        ops = " ".join(operation(r) for _ in range(r.randint(3, 16)))
        cells = [state, int(machine[0]), hex(machine[1]), machine[2], int(machine[3]), number, ops]
        lines.append(",".join(map(str, cells)) + "," + play(state, machine, ops))
    return "\n".join(lines) + "\n"
