"""Every architectural event against a count of its own: the addresses that were executed, joined with
objdump's text of the program."""

import re
import shutil
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.cli.support import BINARY, ROOT, compile_c, succeed, tool

TRACE = BINARY.parent / "tests/bin/trace_guest"
WORKLOADS = ("branchy", "interp", "chase", "matmul", "recurse", "hashstr", "sha256")
PREFIXES = {
    "bnd",
    "notrack",
    "rep",
    "repz",
    "repnz",
    "data16",
    "addr32",
    "cs",
    "ds",
    "es",
    "ss",
    "lock",
    "rex.W",
}
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S.*)$")
ARITHMETIC = re.compile(r"(add|sub|mul|div|min|max|sqrt|rcp|rsqrt|hadd|hsub|addsub|dp)([sp][sd])")
STORES_ONLY = re.compile(
    r"(mov(?!s[bwlq]$)\w*|set\w+|f(n?st\w*|ist\w*|bstp)|stmxcsr|fxsave\w*|xsave\w*|pextr\w|extractps)$"
)
READS_ONLY = re.compile(
    r"(cmp(?!xchg)\w*|test|bt|f(ld|ild|add|sub|mul|div|iadd|isub|imul|idiv|com|icom)\w*|ldmxcsr|fxrstor\w*"
    r"|xrstor\w*|mul|imul|div|idiv|u?comis[sd])$"
)
# Without an explicit memory operand: what they read and write.
IMPLIED = {
    "push": "s", "pushf": "s", "pop": "l", "popf": "l", "call": "s", "ret": "l", "leave": "l", "enter": "s",
    "movs": "ls", "stos": "s", "lods": "l", "scas": "l", "cmps": "l", "xlat": "l",
}  # fmt: skip
# Instructions of every kind that the workloads may lack.
ZOO = r"""
#include <stdio.h>
static double d[4] = {1, 2, 3, 4};
static float f[4] = {1, 2, 3, 4};
static long memory[8];
int main(void) {
  for (long i = 0; i < 1000; ++i) {
    long count = 7;
    __asm__ volatile("lock incq %0; lock cmpxchgq %%rcx, %1; xchgq %%rcx, %0; xaddq %%rcx, %1;"
                     "lock btsq $3, %1"
                     : "+m"(memory[0]), "+m"(memory[1])::"rax", "rcx", "cc");
    __asm__ volatile("fld1; fldl %0; faddp; fcmovb %%st(0), %%st(0); fstpl %0; fldcw %1; fnop; fnstcw %1"
                     : "+m"(d[0]), "+m"(((short *)memory)[8]));
    __asm__ volatile("prefetchnta %0; prefetcht0 %0; prefetcht1 %0; prefetcht2 %0; lfence; pause"
                     ::"m"(memory[0]));
    __asm__ volatile("nop; .byte 0x66, 0x90; nopw 4(%%rax); endbr64; lea 4(%%rax), %%rcx" ::: "rcx");
    __asm__ volatile("movapd %0, %%xmm0; addpd %0, %%xmm0; haddpd %%xmm0, %%xmm0; dppd $1, %0, %%xmm0;"
                     "sqrtsd %0, %%xmm0; cvtsd2si %0, %%rcx; ucomisd %0, %%xmm0; andpd %0, %%xmm0"
                     ::"m"(*(double(*)[2])d) : "xmm0", "rcx");
    __asm__ volatile("mulps %0, %%xmm1; dpps $1, %0, %%xmm1; rcpss %0, %%xmm1; rsqrtps %0, %%xmm1;"
                     "movmskps %%xmm1, %%ecx; cmpps $1, %0, %%xmm1; addsubps %0, %%xmm1; minss %0, %%xmm1"
                     ::"m"(*(float(*)[4])f) : "xmm1", "rcx");
    __asm__ volatile("movq %0, %%mm0; paddb %0, %%mm0; pxor %%mm0, %%mm0; movq %%mm0, %0; emms"
                     : "+m"(memory[2])::"mm0");
    __asm__ volatile("lea memory(%%rip), %%rdi; mov %%rdi, %%rsi; mov $4, %%ecx; rep stosq; movsb; lodsb;"
                     "cmpsb; scasb; push %0; pop %0; pushfq; popfq; sub $8, %%rdi; addl $5, (%%rdi);"
                     "cmpl $5, (%%rdi); testb $1, (%%rdi); setc (%%rdi); negl (%%rdi); notl (%%rdi);"
                     "shll $2, (%%rdi); mulb (%%rdi); cmovc (%%rdi), %%ecx; movzbl (%%rdi), %%ecx"
                     : "+m"(memory[3])::"rax", "rcx", "rdi", "rsi", "memory", "cc");
    __asm__ volatile("1: loop 1b; jrcxz 2f; nop; 2: call 3f; jmp 4f; 3: ret; 4: lea 5f(%%rip), %%rax;"
                     "jmp *%%rax; 5: lea 3b(%%rip), %%rax; call *%%rax; push %%rax; call *(%%rsp); pop %%rax;"
                     "lea 6f(%%rip), %%rax; push %%rax; jmp *(%%rsp); 6: pop %%rax"
                     : "+c"(count)::"rax", "memory", "cc");
  }
  printf("%ld\n", memory[0]);
  return 0;
}
"""


class Instruction:
    def __init__(self, length: int, text: str) -> None:
        words = text.split("#")[0].replace("<", " <").split()
        self.length = length
        lock = "lock" in words
        while len(words) > 1 and words[0] in PREFIXES:
            words = words[1:]
        name = words[0].split(",")[0]
        operands = "".join(word for word in words[1:] if not word.startswith("<"))
        memory = [("[" in part or re.search(r"[cdefgs]s:", part) is not None) for part in split(operands)]
        in_memory = any(memory)
        self.facts: Counter[str] = Counter(instructions=1)
        facts = self.facts

        self.conditional = name.startswith(("loop", "j")) and name != "jmp"
        if self.conditional or name in {"jmp", "call", "ret", "syscall"}:
            facts["branches"] = 1
            facts["cond"] = self.conditional
            facts["calls"] = name == "call"
            facts["returns"] = name == "ret"
            facts["far"] = name == "syscall"
            indirect = name in {"jmp", "call"} and re.fullmatch(r"(0x)?[0-9a-f]+", operands) is None
            facts["indirect"] = indirect
            facts["indirect_calls"] = indirect and name == "call"
            facts["direct_jumps"] = name == "jmp" and not indirect

        accesses = implied(name, operands)
        if name.startswith("prefetch"):
            facts[name] = facts["loads"] = facts["memory"] = 1
        elif in_memory and not name.startswith(("lea", "nop")) and not is_string(name, operands):
            accesses |= explicit(name, memory)
        facts["loads"] |= "l" in accesses
        facts["stores"] |= "s" in accesses
        facts["memory"] |= bool(accesses)
        facts["locked"] = lock or (name == "xchg" and in_memory)

        facts["nops"] = name in {"nop", "endbr64"} or text.startswith("xchg   ax,ax")
        facts["pauses"] = name == "pause"
        facts["lfences"] = name == "lfence"
        facts["x87"] = name.startswith("f") and not name.startswith(("fx", "femms"))
        facts["mmx"] = (
            "mm" in re.split(r"[^a-z]+", re.sub(r"\bmm\d", "mm", operands)) and "xmm" not in operands
        )
        facts["mmx"] |= name == "emms"
        found = ARITHMETIC.fullmatch(name)
        if found:
            facts[found[2]] = 2 if found[1] == "dp" else 1


STRINGS = {"movs", "stos", "lods", "scas", "cmps"}


def split(operands: str) -> list[str]:
    return operands.split(",") if operands else []


def is_string(name: str, operands: str) -> bool:
    """movsd and cmpsd are two instructions each."""
    return name.rstrip("bwdlq") in STRINGS and "xmm" not in operands


def implied(name: str, operands: str) -> set[str]:
    if is_string(name, operands):
        return set(IMPLIED[name.rstrip("bwdlq")])
    for form in (name, name.rstrip("q")):
        if form in IMPLIED:
            return set(IMPLIED[form])
    return set()


def explicit(name: str, memory: list[bool]) -> set[str]:
    if name in {"call", "jmp", "push"}:
        return {"l"}
    if name == "pop":
        return {"s"}
    if not memory[0]:
        return {"l", "s"} if name in {"xchg", "xadd", "cmpxchg"} else {"l"}
    if STORES_ONLY.match(name):
        return {"s"}
    if READS_ONLY.match(name):
        return {"l"}
    return {"l", "s"}


@cache
def disassemble(program: Path) -> dict[int, Instruction]:
    code = {}
    for line in succeed(tool("objdump"), "-d", "-w", "-M", "intel", program).decode().splitlines():
        found = LINE.match(line)
        if found:
            code[int(found[1], 16)] = Instruction(len(found[2].split()), found[3])
    return code


def truth(program: Path, trace: str) -> Counter[str]:
    """Facts of the traced run."""
    code = disassemble(program)
    total: Counter[str] = Counter()
    for line in trace.splitlines():
        at, behind, times = (int(word, base) for word, base in zip(line.split(), (16, 16, 10), strict=True))
        instruction = code.get(at)
        assert instruction is not None, f"{at:#x}: objdump knows no instruction there"
        for fact, n in instruction.facts.items():
            total[fact] += n * times
        taken = behind != at + instruction.length
        total["cond_taken"] += times * (taken and instruction.conditional)
        if instruction.facts["branches"] and not instruction.facts["far"]:
            total["taken"] += times * (taken or not instruction.conditional)
    return total


def expected(facts: Counter[str]) -> dict[str, int]:
    """Counts of events in user mode, by name; events of several parts."""
    f = facts
    prefetches = ("prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2", "prefetchw")
    counts = {
        "br_inst_retired.all_branches": f["branches"],
        "br_inst_retired.all_branches_pebs": f["branches"],
        "br_inst_retired.cond": f["cond"],
        "br_inst_retired.conditional": f["cond"],
        "br_inst_retired.cond_taken": f["cond_taken"],
        "br_inst_retired.cond_ntaken": f["cond"] - f["cond_taken"],
        "br_inst_retired.not_taken": f["cond"] - f["cond_taken"],
        "br_inst_retired.far_branch": f["far"],
        "br_inst_retired.indirect": f["indirect"],
        "br_inst_retired.near_call": f["calls"],
        "br_inst_retired.near_call_r3": f["calls"],
        "br_inst_retired.near_return": f["returns"],
        "br_inst_retired.near_taken": f["taken"],
        "br_inst_retired.indirect_call": f["indirect_calls"],
        "br_inst_retired.indirect_jmp": f["indirect"] - f["indirect_calls"],
        "br_inst_retired.rel_call": f["calls"] - f["indirect_calls"],
        "br_inst_retired.rel_jmp": f["direct_jumps"],
        "br_inst_retired.taken": f["taken"] + f["far"],
        "fp_arith_inst_retired.128b_packed_double": f["pd"],
        "fp_arith_inst_retired.128b_packed_single": f["ps"],
        "fp_arith_inst_retired.scalar": f["ss"] + f["sd"],
        "fp_arith_inst_retired.scalar_double": f["sd"],
        "fp_arith_inst_retired.scalar_single": f["ss"],
        "hw_interrupts.received": 0,
        "inst_retired.mmx": f["mmx"],
        "inst_retired.nop": f["nops"],
        "inst_retired.x87": f["x87"],
        "mem_inst_retired.all_loads": f["loads"],
        "mem_inst_retired.all_stores": f["stores"],
        "mem_inst_retired.any": f["memory"],
        "mem_inst_retired.loads": f["loads"],
        "mem_inst_retired.lock_loads": f["locked"],
        "mem_inst_retired.stores": f["stores"],
        "misc_retired.pause_inst": f["pauses"],
        "misc_retired1.lfence": f["lfences"],
        "rob_misc_events.pause_inst": f["pauses"],
        "sw_prefetch_access.any": sum(f[name] for name in prefetches),
        "sw_prefetch_access.nta": f["prefetchnta"],
        "sw_prefetch_access.t0": f["prefetcht0"],
        "sw_prefetch_access.t1_t2": f["prefetcht1"] + f["prefetcht2"],
        "sw_prefetch_access.prefetchw": f["prefetchw"],
        # One clock an instruction.
        "topdown.slots": 5 * f["instructions"],
        "topdown.slots_p": 5 * f["instructions"],
        "uops_retired.total_cycles": f["instructions"],
    }
    return counts


OLD_NAMES = {
    "br_inst_retired.jcc": "cond",
    "br_inst_retired.taken_jcc": "cond_taken",
    "br_inst_retired.call": "near_call",
    "br_inst_retired.return": "near_return",
    "br_inst_retired.ind_call": "indirect_call",
    "br_inst_retired.non_return_ind": "indirect",
}


# Parts with architectural last-branch records.
ARCHITECTURAL = ("sapphirerapids", "gracemont")


def check(part: str, limit: int, program: Path, *arguments: str) -> Counter[str]:
    if not TRACE.exists():
        pytest.skip(f"{TRACE} is not built")
    facts = truth(program, succeed(TRACE, "trace", part, str(limit), program, *arguments).decode())
    counts = expected(facts)
    seen = 0
    for line in succeed(TRACE, "events", part, str(limit), program, *arguments).decode().splitlines():
        name, user, kernel = line.split()
        if name.startswith(
            ("inst_retired.any", "inst_retired.prec", "inst_retired.total", "cpu_clk_unhalted.")
        ):
            assert (int(user), int(kernel)) == (facts["instructions"], 0), name
        elif name.endswith("lbr_inserts") or name == "lbr_inserts.any":
            # Records are of branches that end in user mode: near ones, and the kernel's returns where the
            # source's privilege does not count.
            returns = 0 if part in ARCHITECTURAL else facts["far"]
            assert int(user) + int(kernel) == facts["taken"] + returns, name
        else:
            if name in OLD_NAMES:
                counts[name] = counts["br_inst_retired." + OLD_NAMES[name]]
            assert name in counts, f"{name}: nothing to compare it with"
            assert int(user) == counts[name], name
            returns = facts["far"] if "far_branch" in name or "all_branches" in name else 0
            if name == "br_inst_retired.taken":
                returns = facts["far"]
            assert int(kernel) == returns, name
        seen += 1
    assert seen > 10
    return facts


@pytest.fixture(scope="module")
def workloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = ROOT.parent / "shared/workloads/src"
    if not sources.is_dir() or shutil.which("make") is None:
        pytest.skip(f"no workloads at {sources}")
    folder = tmp_path_factory.mktemp("workloads")
    succeed("make", "-s", "-C", sources, f"OUT={folder}")
    return folder


# Rows: pmu-8.2-lbr-inserts, pmu-8.2-far-branch
@pytest.mark.parametrize("name", WORKLOADS)
def test_workloads(workloads: Path, name: str) -> None:
    facts = check("skylake", 1_000_000, workloads / name, "5")
    assert facts["instructions"] == 1_000_000
    assert facts["cond_taken"] > 0


@pytest.mark.parametrize("part", ["nehalem", "sandybridge", "haswell", "skylake", "icelake", "gracemont"])
def test_instructions_of_every_kind(tmp_path: Path, part: str) -> None:
    program = compile_c(ZOO, tmp_path / "zoo", ("-O1", "-static", "-no-pie", "-fcf-protection=none"))
    facts = check(part, 100_000, program)
    for fact in ("x87", "mmx", "nops", "pauses", "locked", "indirect_calls", "ss", "sd", "ps", "pd"):
        assert facts[fact] > 100, fact
