"""Connections of the load generator: HTTP/1.1 and gRPC with as little work a request as Python allows.

The generator has one core and must outrun servers that have one. A client library costs about as much as the server it
asks, so these speak just enough of each protocol to send a prepared request and find the end of its answer. Both check
that the answer is a success; gRPC requests carry a deadline as real ones do.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

Done = Callable[[bytes | None], None]
"""Told the body of an answer, or None if the request failed."""


class Connection(Protocol):
    """A connection that is open."""

    def ask(self, request: bytes, done: Done) -> None:
        """Send a prepared request; wait for a turn where the protocol allows one at a time."""

    def close(self) -> None:
        """Close it; what is under way has failed."""


def http_request(item_id: str) -> bytes:
    """Return a prepared request for an item's page over HTTP."""
    return f"GET /items/{item_id}/similar HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".encode()


class HttpConnection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._done: Done | None = None
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        # uvloop's transports are not asyncio's by class.
        self._transport = cast("asyncio.Transport", transport)

    @property
    def load(self) -> int:
        """Return how many requests are under way or wait."""
        return len(self._waiting) + (self._done is not None)

    def ask(self, request: bytes, done: Done) -> None:
        """See `Connection`."""
        if self._transport is None or self._transport.is_closing():
            done(None)
        elif self._done is None:
            self._done = done
            self._transport.write(request)
        else:
            self._waiting.append((request, done))

    def data_received(self, data: bytes) -> None:
        """Find the end of the answer."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        start = self._received.find(b"content-length: ", 0, head) + len(b"content-length: ")
        length = int(self._received[start : self._received.find(b"\r\n", start)])
        end = head + 4 + length
        if len(self._received) < end:
            return
        body = bytes(self._received[head + 4 : end]) if self._received.startswith(b"HTTP/1.1 200") else None
        del self._received[:end]
        done, self._done = self._done, None
        if self._waiting:
            request, self._done = self._waiting.popleft()
            assert self._transport is not None
            self._transport.write(request)
        if done is not None:
            done(body)

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail what is left."""
        left = [*([self._done] if self._done else []), *(done for _, done in self._waiting)]
        self._done = None
        self._waiting.clear()
        for done in left:
            done(None)

    def close(self) -> None:
        """See `Connection`."""
        if self._transport is not None:
            self._transport.close()


_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 6, 7, 9
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_FRAME_HEAD = 9
_MOST_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 2**16 - 1
_STATUS_OK = b"grpc-status\x010"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _opening() -> bytes:
    # No header table: every header block can then be read by itself. Windows as wide as they go, so that no answer
    # waits for this side to allow it.
    settings = struct.pack(">HIHIHI", 1, 0, 2, 0, 4, _MOST_WINDOW)
    window = struct.pack(">I", _MOST_WINDOW - _DEFAULT_WINDOW)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, settings) + _frame(8, 0, 0, window)


def grpc_request(message: bytes) -> bytes:
    """Return a prepared gRPC message."""
    return b"\0" + struct.pack(">I", len(message)) + message


class GrpcConnection(asyncio.Protocol):
    """One HTTP/2 connection with any number of calls of one method under way."""

    def __init__(self, method: str) -> None:
        # HPACK (RFC 7541) without indexing: 83 and 86 are POST and http of the static table, 04, 01 and 0f10 name
        # :path, :authority and content-type of it.
        self._headers = (
            b"\x83\x86\x04" + _text(method) + b"\x01" + _text("localhost") + b"\x0f\x10" + _text("application/grpc")
            + b"\0" + _text("te") + _text("trailers") + b"\0" + _text("grpc-timeout") + _text("10S")
        )  # fmt: skip
        self._next_stream = 1
        self._calls: dict[int, Done] = {}
        self._bodies: dict[int, bytes] = {}
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the HTTP/2 connection."""
        # uvloop's transports are not asyncio's by class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_opening())

    @property
    def load(self) -> int:
        """Return how many calls are under way."""
        return len(self._calls)

    def ask(self, request: bytes, done: Done) -> None:
        """See `Connection`."""
        if self._transport is None or self._transport.is_closing():
            done(None)
            return
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._calls[stream] = done
        self._transport.write(
            _frame(_HEADERS, _END_HEADERS, stream, self._headers) + _frame(_DATA, _END_STREAM, stream, request)
        )

    def data_received(self, data: bytes) -> None:
        """Take whole frames."""
        self._received += data
        received, place = bytes(self._received), 0
        while len(received) - place >= _FRAME_HEAD:
            length = int.from_bytes(received[place : place + 3], "big")
            end = place + _FRAME_HEAD + length
            if end > len(received):
                break
            kind, flags = received[place + 3], received[place + 4]
            stream = int.from_bytes(received[place + 5 : place + 9], "big")
            self._take(kind, flags, stream, received[place + _FRAME_HEAD : end])
            place = end
        del self._received[:place]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == _DATA:
            self._bodies[stream] = self._bodies.get(stream, b"") + payload
        elif kind == _HEADERS:
            if flags & _END_STREAM:
                self._end(stream, succeeded=_STATUS_OK in payload)
        elif kind == _RST_STREAM:
            self._end(stream, succeeded=False)
        elif kind == _SETTINGS and not flags & _ACK:
            self._transport.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, payload))
        elif kind in {_GOAWAY, _CONTINUATION}:
            self._transport.close()

    def _end(self, stream: int, *, succeeded: bool) -> None:
        body = self._bodies.pop(stream, b"")
        done = self._calls.pop(stream, None)
        if done is not None:
            # Five bytes before the message: not compressed, and its length.
            done(body[5:] if succeeded else None)

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail what is left."""
        calls, self._calls = self._calls, {}
        for done in calls.values():
            done(None)

    def close(self) -> None:
        """See `Connection`."""
        if self._transport is not None:
            self._transport.close()
