"""lastbranch bare: output, exit statuses and notes of images without an operating system."""

from pathlib import Path

import pytest

from tests.cli.support import lastbranch, succeed, tool, words

FLAGS = ["-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x100000,--build-id=none"]

HELLO = """
.globl _start
_start:
  lea text(%rip), %rsi
  mov $6, %ecx
  mov $0xe9, %edx
  rep outsb
  mov $7, %eax
  out %eax, $0xf4
text: .ascii "hello\\n"
"""


def image(source: str, tmp_path: Path) -> Path:
    """Assembles a program."""
    text, out = tmp_path / "image.S", tmp_path / "image.elf"
    text.write_text(source)
    succeed(tool("gcc"), *FLAGS, "-o", out, text)
    return out


def program(body: str) -> str:
    return f".globl _start\n_start:\n{body}\n"


def test_output_and_status_pass_through(tmp_path: Path) -> None:
    done = lastbranch("bare", image(HELLO, tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (7, b"hello\n", b"")


def test_a_flat_image_is_the_same(tmp_path: Path) -> None:
    elf, flat = image(HELLO, tmp_path), tmp_path / "image.bin"
    succeed(tool("objcopy"), "-O", "binary", elf, flat)
    done = lastbranch("bare", "--uarch", "nehalem", flat)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"hello\n", b"")


@pytest.mark.parametrize(
    ("body", "options", "status", "note"),
    [
        ("nop; ud2", [], 125, "triple fault: #UD at 0x100001"),
        ("mov $0x10, %ecx; mov $0x12345, %ecx; rdmsr", [], 125, "triple fault: #GP(0x0) at 0x10000a"),
        ("hlt", [], 124, "halted for ever after 1 instructions"),
        ("jmp _start", ["--max-instructions", "99"], 0, "stopped after 99 instructions"),
        ("mov $300, %eax; out %eax, $0xf4", [], 255, ""),
        ("in $0x70, %al; xor %eax, %eax; out %al, $0xf4", [], 0, "not modelled: port 0x70, 1 access"),
    ],
)
def test_endings_are_named(body: str, options: list[str], status: int, note: str, tmp_path: Path) -> None:
    done = lastbranch("bare", *options, image(program(body), tmp_path))
    assert (done.returncode, done.stdout) == (status, b"")
    assert note in words(done)


def test_registers_are_printed_when_asked_for(tmp_path: Path) -> None:
    body = """
      mov $0x1d9, %ecx; mov $1, %eax; xor %edx, %edx; wrmsr
      jmp 1f
      1: out %al, $0xf4
    """
    done = lastbranch("bare", "--lbr", "--msrs-at-end", image(program(body), tmp_path))
    assert done.returncode == 1
    assert "lbr 0: 0x10000e -> 0x100010, 0 cycles\n" in words(done)
    assert "MSR 0x1d9 IA32_DEBUGCTL = 0x1\n" in words(done)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["/nonexistent/image"], "/nonexistent/image: cannot open"),
        (["/bin/true"], "position-independent"),
        ([], "expected a program to run"),
        (["--memory", "1M", "/bin/true"], "memory: expected 0x200000"),
        (["--memory", "12X", "/bin/true"], "--memory"),
        (["--uarch", "i486", "/bin/true"], "i486"),
        (["/bin/true", "/bin/false"], "expected one image"),
        (["--no-such-option", "/bin/true"], "no-such-option"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], fragment: str) -> None:
    done = lastbranch("bare", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert fragment in words(done)
    assert words(done).count("\n") == 1
