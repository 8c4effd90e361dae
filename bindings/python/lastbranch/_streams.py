"""Standard input, output and error of simulated programs."""

import os
import subprocess
import sys
import tempfile
from enum import Enum
from typing import IO, Final, Literal, Protocol, TypeAlias, final


@final
class _Capture(Enum):
    CAPTURE = "CAPTURE"

    def __repr__(self) -> str:
        return "lastbranch.CAPTURE"


CAPTURE: Final = _Capture.CAPTURE
"""For ``stdout=`` and ``stderr=``: keep what the program writes in the result."""
DEVNULL: Final = subprocess.DEVNULL
"""For all three: ``/dev/null``, as in ``subprocess``."""


class HasFileno(Protocol):
    """A file, pipe or socket of this process."""

    def fileno(self) -> int: ...


Output: TypeAlias = HasFileno | int | Literal[_Capture.CAPTURE] | None
"""A file or descriptor, `DEVNULL`, `CAPTURE`; ``None``: the stream of this process."""
Input: TypeAlias = HasFileno | int | bytes | None
"""A file or descriptor, `DEVNULL`, what is to be read; ``None``: the stream of this process."""

_PASS_THROUGH = -1


class Streams:
    """The three streams of one program, which takes copies of them when it is loaded."""

    def __init__(self, stdin: Input, stdout: Output, stderr: Output) -> None:
        self._opened: list[IO[bytes]] = []
        self._stdout: IO[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        if stdout is CAPTURE:
            self._stdout = self._temporary()
        if stderr is CAPTURE:
            self._stderr = self._temporary()
        self.fds: tuple[int, int, int] = (
            self._source(stdin),
            self._fd(self._stdout or stdout, "wb"),
            self._fd(self._stderr or stderr, "wb"),
        )

    def flush(self) -> None:
        """Lets what Python has printed come before what the program prints."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()

    @property
    def stdout(self) -> bytes | None:
        """What has been captured so far."""
        return _contents(self._stdout)

    @property
    def stderr(self) -> bytes | None:
        """What has been captured so far."""
        return _contents(self._stderr)

    def close(self) -> None:
        for file in self._opened:
            file.close()
        self._opened.clear()
        self._stdout = self._stderr = None

    def __del__(self) -> None:
        self.close()

    def _source(self, stdin: Input) -> int:
        if not isinstance(stdin, bytes):
            return self._fd(stdin, "rb")
        file = self._temporary()
        file.write(stdin)
        file.seek(0)
        return file.fileno()

    def _fd(self, stream: HasFileno | int | Literal[_Capture.CAPTURE] | None, mode: str) -> int:
        if stream is None or stream is CAPTURE:
            return _PASS_THROUGH
        if isinstance(stream, int):
            if stream != DEVNULL:
                return stream
            null: IO[bytes] = open(os.devnull, mode)  # noqa: SIM115, PTH123
            self._opened.append(null)
            return null.fileno()
        if hasattr(stream, "flush"):
            stream.flush()
        return stream.fileno()

    def _temporary(self) -> IO[bytes]:
        # Unbuffered: the program reads and writes the same file behind Python's back.
        file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._opened.append(file)
        return file


def _contents(file: IO[bytes] | None) -> bytes | None:
    if file is None:
        return None
    # Not seek and read: the program shares the position.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
