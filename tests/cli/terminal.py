"""A terminal for the program, and what it wrote there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading


class Terminal:
    """A terminal of 120 columns, or of another number; what the program writes to it is collected."""

    def __init__(self, columns: int = 120) -> None:
        self._master, self.descriptor = pty.openpty()
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._seen = bytearray()
        self._open = True
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        # Linux ends a terminal that nobody has open any more with EIO.
        try:
            while piece := os.read(self._master, 65536):
                self._seen.extend(piece)
        except OSError:
            return

    def shown(self) -> str:
        """What has been written up to now."""
        return self._seen.decode(errors="replace")

    def close(self) -> str:
        """Close it when the program has ended; gives all that was written."""
        if self._open:
            self._open = False
            os.close(self.descriptor)
            self._reader.join(10)
            os.close(self._master)
        return self.shown()


def plain(text: str) -> str:
    """Without the controls for colours and the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
