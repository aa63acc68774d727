"""A client of server-sent events that reads as the HTML Standard (section 9.2.6) says, with deadlines."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any, Self

from tests.fixtures.process import Service
from tests.service.client import PATIENCE


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    id: str
    data: Any


class EventStream:
    """``GET /exports/{id}/events`` over a plain socket: ``with EventStream(service, id) as stream: stream.next()``.

    Attributes:
        status: Of the answer.
        headers: Names in lower case.
        comments: How many comment lines came.
        retry: Milliseconds, as the stream said.
    """

    def __init__(self, service: Service, export_id: str, *, headers: str = "", path: str | None = None) -> None:
        self.comments = 0
        self.retry: int | None = None
        self._data = b""
        self._body = b""
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)
        target = path or f"/exports/{export_id}/events"
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        head = self._until(b"\r\n\r\n").decode()
        status, *lines = head.split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def next(self) -> Event | None:
        """The next event, or ``None`` at the proper end of the stream."""
        name, last_id, data = "message", "", ""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < deadline, "no event came"
            line = self._line()
            if line is None:
                return None
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "" if line:
                    self.comments += 1
                case "" if data:
                    return Event(name, last_id, json.loads(data))
                case "event":
                    name = value
                case "id":
                    last_id = value
                case "data":
                    data += value
                case "retry":
                    self.retry = int(value)

    def rest(self) -> list[Event]:
        """All events until the end."""
        found = []
        while (event := self.next()) is not None:
            found.append(event)
        return found

    def _line(self) -> str | None:
        while b"\n" not in self._body:
            size = int(self._until(b"\r\n"), 16)
            chunk = self._exactly(size)
            assert self._exactly(2) == b"\r\n"
            if not size:
                return None
            self._body += chunk
        line, _, self._body = self._body.partition(b"\n")
        return line.decode()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            self._receive()
        found, _, self._data = self._data.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._receive()
        found, self._data = self._data[:size], self._data[size:]
        return found

    def _receive(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the connection was closed in the middle of the stream")
        self._data += piece
