"""KVM's rules once more, as plain functions from the specification's tables alone: an oracle for the model.

Source: kvm-lbr-semantics.md; each function names its section. Nothing is shared with models/vmx/kvm.
"""

from dataclasses import dataclass, field

ALL = (1 << 64) - 1
STATES = [*(f"s{n}" for n in range(9)), "v6.1.4", "v6.1.192", "v6.12.8", "v6.12.117", "v7.3rc7"]
INTEL_FORMAT, PEBS_FORMAT, BASELINE, FW_WRITES = 0x3F, 0xF00, 0x4000, 0x2000
INVALID, UNKNOWN, EINVAL = 1, 2, -22


def has_patch(state: str, number: int) -> bool:
    """Section 0: which of the series' patches a state has."""
    if state.startswith("s"):
        return int(state[1:]) >= number
    if state == "v6.1.4":
        return number in (2, 3, 4)
    return state != "v6.1.192" or number <= 5


def is_61(state: str) -> bool:
    return state.startswith("s") or state.startswith("v6.1.")


def is_late(state: str) -> bool:
    return not is_61(state) or state == "v6.1.192"


def is_73(state: str) -> bool:
    return state == "v7.3rc7"


def reworked(state: str) -> bool:
    return state in ("v6.1.192", "v6.12.117", "v7.3rc7")


def pebs_mask(state: str) -> int:
    return 0x24FC0 if is_73(state) else 0x4FC0


@dataclass
class Host:
    """Section 2's inputs."""

    caps: int
    pmu: bool = True
    records: int = 32
    callstack: bool = True
    arch_lbr: bool = False
    pebs: bool = False


def supported(state: str, host: Host) -> int:
    """Section 2: the supported value."""
    if not host.pmu:
        return 0
    value = FW_WRITES
    offered = not has_patch(state, 2) or host.records != 0
    offered = offered and not (is_late(state) and host.arch_lbr)
    offered = offered and (is_61(state) or host.callstack)
    if offered:
        value |= host.caps & INTEL_FORMAT
    if host.pebs:
        pebs = host.caps & pebs_mask(state)
        value |= pebs & ~BASELINE if is_late(state) or host.caps & PEBS_FORMAT < 4 else pebs
    return value


@dataclass
class Guest:
    """What sections 3 and 4 ask of a guest."""

    version: int = 2
    model: bool = True
    pdcm: bool = True
    ds: bool = True
    dtes64: bool = True
    bus_lock: bool = True
    rtm: bool = True
    has_run: bool = False


def write_caps(state: str, host_side: bool, data: int, value: int, stored: int, guest: Guest) -> int:
    """Section 3: the answer; 0 with `data` stored but for a guest of 7.3 without PDCM. `value`: supported."""
    if host_side and guest.has_run and not is_61(state):
        seen = 0 if is_73(state) and not guest.pdcm else stored
        if data != seen:
            return EINVAL
    if data != 0 and guest.version == 0 and not is_73(state):
        return INVALID
    if data & INTEL_FORMAT and ((data ^ value) & INTEL_FORMAT or not guest.model):
        return INVALID
    pebs_ok = not (data ^ value) & pebs_mask(state) and guest.ds and guest.dtes64 and guest.model
    if data & PEBS_FORMAT and not pebs_ok:
        return INVALID
    if not host_side:
        return UNKNOWN if is_73(state) else INVALID
    if is_73(state) and not guest.pdcm:
        return 0 if data == 0 else UNKNOWN
    return INVALID if data & ~value else 0


def legal_debugctl(
    state: str, host_side: bool, value: int, records: bool, bus_lock: bool, rtm: bool, guest: Guest
) -> int:
    """Section 4.1: S. `value`: supported capabilities; `bus_lock`, `rtm`: of the host."""
    by_host = host_side and has_patch(state, 4)
    mask = 0x4 if bus_lock and (by_host or guest.bus_lock) else 0
    if value & INTEL_FORMAT and (by_host or records):
        mask |= 0x801
    if reworked(state) and rtm and (host_side or guest.rtm):
        mask |= 0x8000
    return mask


def filter_debugctl(state: str, mask: int, data: int) -> tuple[int, bool, int]:
    """Section 4.2, steps a to c: the answer, whether a line is logged, the value to be stored."""
    illegal = data & ~mask
    logged = illegal & 3 != 0
    if logged and not reworked(state):
        data &= ~3
    if illegal & ~3:
        return INVALID, logged, 0
    return 0, logged, data & mask if reworked(state) else data


@dataclass
class Pmu:
    """Section 6.2: what a refresh makes of a guest's CPUID."""

    version: int = 0
    gp: int = 0
    fixed: int = 0
    gp_bits: int = 0
    fixed_bits: int = 0
    events: int = 0
    global_ctrl: int = ALL
    status: int = ALL
    fixed_ctrl: int = ALL
    select: int = 0xFFFFFFFF00200000
    raw: int = 0xFF84FFFF
    pebs_enable: int = ALL
    pebs_cfg: int = ALL


@dataclass
class Leaf:
    """CPUID leaf 0AH."""

    version: int = 2
    gp: int = 8
    fixed: int = 3
    gp_width: int = 48
    fixed_width: int = 48
    length: int = 7
    unavailable: int = 0

    def registers(self) -> tuple[int, int, int]:
        """EAX, EBX, EDX."""
        eax = self.version | self.gp << 8 | self.gp_width << 16 | self.length << 24
        return eax, self.unavailable, self.fixed | self.fixed_width << 5


def bits(count: int) -> int:
    return (1 << count) - 1


def refresh(
    state: str, leaf: Leaf | None, caps: int, kvm_gp: int, kvm_fixed: int, tsx: bool, pt: bool = False
) -> Pmu:
    """Sections 6.1 and 6.2. `leaf` None: no PMU; `caps`: effective; `tsx`: the quirky test of section 6.2."""
    pmu = Pmu()
    if leaf is None or leaf.version == 0:
        return pmu
    pmu.version = leaf.version
    pmu.gp = min(leaf.gp, kvm_gp if is_61(state) else min(kvm_gp, 8))
    pmu.gp_bits = bits(min(leaf.gp_width, 48))
    pmu.events = ~leaf.unavailable & bits(min(leaf.length, 7))
    if leaf.version > 1:
        pmu.fixed = min(leaf.fixed, kvm_fixed, 3)
        pmu.fixed_bits = bits(min(leaf.fixed_width, 48))
    for counter in range(pmu.fixed):
        pmu.fixed_ctrl &= ~(0xB << 4 * counter)
    if tsx:
        pmu.select &= ~(1 << 32)
        pmu.raw |= 3 << 32
    if is_73(state) and pmu.version == 1:
        return pmu
    pmu.global_ctrl = ALL & ~(bits(pmu.gp) | bits(pmu.fixed) << 32)
    pmu.status = pmu.global_ctrl & ~(3 << 62) & ~(1 << 55 if pt else 0)
    if caps & PEBS_FORMAT and caps & BASELINE:
        pmu.pebs_enable = pmu.global_ctrl
        pmu.select &= ~(1 << 34)
        pmu.pebs_cfg = ALL & ~0xFF00000F
        for counter in range(pmu.fixed):
            pmu.fixed_ctrl &= ~(1 << (32 + 4 * counter))
    elif caps & PEBS_FORMAT:
        pmu.pebs_enable = ALL & ~bits(pmu.gp)
    return pmu


def advertised(state: str, msr: int, gp: int, fixed: int) -> bool:
    """Section 2 and 7: KVM_GET_MSR_INDEX_LIST, as far as unknown registers ask for it."""
    if msr in (0x3F1, 0x3F2, 0x600, 0x345) or 0x38D <= msr <= 0x38F:
        return True
    if msr == 0x390:
        return is_61(state)
    if 0xC0010200 <= msr < 0xC001020C:
        return not is_late(state)
    if msr == 0x1D9 or 0x1DB <= msr <= 0x1DE:
        return is_73(state)
    counters = min(8, gp)
    banks = [(0x309, min(3, fixed)), (0xC1, counters), (0x186, counters), (0xC0010000, 8)]
    return any(first <= msr < first + count for first, count in banks)


def canonical(value: int) -> bool:
    return value >> 47 in (0, bits(17))


def saved_as_zero(msr: int) -> bool:
    return msr in (0x3F1, 0x3F2, 0x600) or 0xC0010200 <= msr < 0xC001020C


def legacy_counter(msr: int) -> bool:
    return msr in (0xC1, 0xC2) or 0xC0010004 <= msr <= 0xC0010007


def legacy_select(msr: int) -> bool:
    return msr in (0x186, 0x187) or 0xC0010000 <= msr <= 0xC0010003


@dataclass
class Registers:
    """Section 6.3: the vPMU's registers of a vCPU."""

    state: str
    pmu: Pmu
    caps: int
    kvm_gp: int = 8
    kvm_fixed: int = 3
    ds: bool = True
    status: int = 0
    values: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_61(self.state) and self.pmu.version > 1:
            self.values[0x38F] = bits(self.pmu.gp)

    def exists(self, msr: int) -> bool:
        pmu = self.pmu
        if 0x38D <= msr <= 0x390:
            return pmu.version > 1
        if msr == 0x600:
            return self.ds
        if msr in (0x3F1, 0x3F2):
            return self.caps & PEBS_FORMAT != 0 and (msr == 0x3F1 or self.caps & BASELINE != 0)
        if 0x4C1 <= msr < 0x4C1 + pmu.gp:
            return self.caps & FW_WRITES != 0
        banks = [(0xC1, pmu.gp), (0x186, pmu.gp), (0x309, pmu.fixed)]
        return any(first <= msr < first + count for first, count in banks)

    def reserved(self, msr: int) -> int | None:
        pmu = self.pmu
        masks = {0x38D: pmu.fixed_ctrl, 0x38F: pmu.global_ctrl, 0x3F1: pmu.pebs_enable, 0x3F2: pmu.pebs_cfg}
        if 0x186 <= msr < 0x186 + pmu.gp:
            return pmu.select & ~(1 << 33) if msr == 0x188 and pmu.raw >> 33 & 1 else pmu.select
        return masks.get(msr)

    def unknown(self, host_side: bool, zero: bool, msr: int) -> int:
        listed = advertised(self.state, msr, self.kvm_gp, self.kvm_fixed)
        return 0 if is_late(self.state) and host_side and zero and listed else UNKNOWN

    def write(self, host_side: bool, msr: int, data: int) -> tuple[int, int]:
        """The answer and the lines logged."""
        if self.exists(msr):
            return self.write_own(host_side, msr, data), 0
        if legacy_counter(msr):
            return 0, int(data != 0 or not is_late(self.state))
        if legacy_select(msr):
            return 0, int(data != 0)
        if saved_as_zero(msr) and not is_late(self.state):
            return (0 if host_side and data == 0 else INVALID), 0
        return self.unknown(host_side, data == 0, msr), 0

    def write_own(self, host_side: bool, msr: int, data: int) -> int:
        pmu = self.pmu
        reserved = self.reserved(msr)
        if msr == 0x38E:
            if not host_side or (not is_61(self.state) and data & pmu.status):
                return INVALID
            self.status = data
        elif msr == 0x390:
            if data & pmu.status:
                return INVALID
            if not host_side:
                self.status &= ~data
        elif reserved is not None:
            if is_61(self.state) and data == self.values.get(msr, 0):
                return 0
            if data & reserved:
                return INVALID
            self.values[msr] = data
        elif msr == 0x600:
            if not canonical(data):
                return INVALID
            self.values[msr] = data
        elif 0x4C1 <= msr < 0x4C1 + pmu.gp:
            if data & ~pmu.gp_bits:
                return INVALID
            self.values[msr - 0x400] = data
        elif 0xC1 <= msr < 0xC1 + pmu.gp and not host_side:
            low = data & 0xFFFFFFFF
            self.values[msr] = low | (0xFFFFFFFF00000000 if low >> 31 else 0)
        else:
            self.values[msr] = data
        return 0

    def read(self, host_side: bool, msr: int) -> tuple[int, int]:
        """The answer and the value."""
        pmu = self.pmu
        if self.exists(msr):
            if msr == 0x38E:
                return 0, self.status
            if msr == 0x390:
                return 0, 0
            if 0x4C1 <= msr < 0x4C1 + pmu.gp:
                msr -= 0x400
            value = self.values.get(msr, 0)
            if 0xC1 <= msr < 0xC1 + pmu.gp:
                value &= pmu.gp_bits
            if 0x309 <= msr < 0x309 + pmu.fixed:
                value &= pmu.fixed_bits
            return 0, value
        if 0x1DB <= msr <= 0x1DE or legacy_counter(msr) or legacy_select(msr):
            return 0, 0
        if saved_as_zero(msr) and not is_late(self.state):
            return (0 if host_side else INVALID), 0
        return self.unknown(host_side, True, msr), 0


def is_lbr(state: str, msr: int, records: int, start: int, to: int, info: int, lbr_format: int) -> bool:
    """Section 5: a valid LBR register of a vCPU that has LBRs."""
    if is_61(state) and lbr_format != 5:
        info = 0
    banks = [(start, records), (to, records), (info, records if info else 0), (0x1C8, 2)]
    return any(first <= msr < first + count for first, count in banks)


def rdpmc(state: str, pmu: Pmu, ecx: int, privileged: bool) -> tuple[int, bool, int, bool] | None:
    """Section 6.4: answer, is the counter fixed, its number, only 32 bits; None: a pseudo counter."""
    fails = (INVALID, False, 0, False)
    if pmu.version == 0:
        return fails
    if 0x10000 <= ecx <= 0x10002:
        return None
    if is_61(state):
        fixed, index, fast = ecx >> 30 & 1 == 1, ecx & 0x3FFFFFFF, ecx >> 31 == 1
    else:
        if ecx >> 16 not in (0, 0x4000):
            return fails
        fixed, index, fast = ecx >> 16 == 0x4000, ecx & 0xFFFF, False
    if index >= (pmu.fixed if fixed else pmu.gp) or not privileged:
        return fails
    return 0, fixed, index, fast
