"""A port of this machine's loopback, and of nothing else, whose connections are passed on to wherever a tunnel ends.

The port stays ours while tunnels come and go: nobody takes it meanwhile, and a browser that asks in between waits
instead of being refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable

from mlsh.box.tunnel import Address

HOLD_S = 30.0
"""So long a connection waits for the tunnel to come back."""
_CHUNK = 1 << 18
_RESET = struct.pack("ii", 1, 0)
_MOST = 512


class Taken(Exception):
    """A port that can't be had; `why` says the system's reason, `is_forbidden` that only root may have it."""

    def __init__(self, port: int, error: OSError) -> None:
        super().__init__(f"port {port}: {error.strerror}")
        self.port = port
        self.is_forbidden = error.errno in {errno.EACCES, errno.EPERM}


def listen(port: int) -> list[socket.socket]:
    """Listen on a port of 127.0.0.1, and of ::1 where there is one; 0 is any port that is free on both.

    Both, because a browser that is told `localhost` may ask either. Raises Taken.
    """
    for _ in range(20):
        first = _listener(socket.AF_INET, "127.0.0.1", port)
        number = int(first.getsockname()[1])
        try:
            return [first, _listener(socket.AF_INET6, "::1", number)]
        except Taken:
            first.close()
            if port:
                raise
        except OSError:
            return [first]  # no IPv6 here
    raise Taken(port, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))


def _listener(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A port whose last connection has just ended is free.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EPERM}:
            raise Taken(port, error) from None
        raise
    return made


class Relay:
    """Passes on what comes to listening sockets; `on_refused` is called where the other end takes no connection."""

    def __init__(self, listeners: list[socket.socket], on_refused: Callable[[], None] = lambda: None) -> None:
        self.port = int(listeners[0].getsockname()[1])
        self.on_refused = on_refused
        self._listeners = listeners
        self._changed = threading.Condition()
        self._address: Address | None = None
        self._stands: Callable[[], bool] = lambda: True
        self._turn = 0
        self._open: set[_Pair] = set()
        self._closed = False
        for listener in listeners:
            threading.Thread(target=self._accept, args=(listener,), name=f"relay-{self.port}", daemon=True).start()

    def lead_to(self, address: Address | None, stands: Callable[[], bool] = lambda: True) -> None:
        """From now on, connections go to this address; None: they wait, and those that are open are reset.

        `stands` tells whether what leads there still does: it is asked when a connection ends, since what broke is no
        end.
        """
        with self._changed:
            self._address, self._stands = address, stands
            self._turn += 1
            if address is None:
                for pair in self._open:
                    pair.break_off()
            self._changed.notify_all()

    def close(self) -> None:
        """Give the port back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.lead_to(None)

    def _accept(self, listener: socket.socket) -> None:
        while not self._closed:
            try:
                client, _ = listener.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(0.1)  # no file descriptors left, or a client that was gone before it was here
                continue
            if len(self._open) >= _MOST:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), name=f"relay-{self.port}-client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            pair = self._reach(client)
            if pair is None:
                return
            with pair.far:
                was_taken = pair.pass_both_ways()
            with self._changed:
                self._open.discard(pair)
            if not was_taken:
                # ssh takes the connection here before it asks the box, and hangs up where nothing listens there.
                self.on_refused()

    def _reach(self, client: socket.socket) -> _Pair | None:
        """A connection to where it goes now; waits for a tunnel where there is none. None: too late."""
        deadline = time.monotonic() + HOLD_S
        tried = -1
        while True:
            with self._changed:
                while self._address is None or self._turn == tried:
                    if self._closed or not self._changed.wait(deadline - time.monotonic()):
                        return None
                address, stands, tried = self._address, self._stands, self._turn
            try:
                far = _connect(address)
            except OSError:
                if isinstance(address, tuple):
                    self.on_refused()
                    return None
                continue  # the tunnel broke this moment: wait for the next one
            with self._changed:
                if self._turn == tried:
                    pair = _Pair(client, far, stands)
                    self._open.add(pair)
                    return pair
            far.close()


def _connect(address: Address) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=None)
    far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        far.connect(address)
    except OSError:
        far.close()
        raise
    return far


class _Pair:
    """A connection of a client, and the one that it is passed on to."""

    def __init__(self, client: socket.socket, far: socket.socket, stands: Callable[[], bool]) -> None:
        self.client, self.far = client, far
        self._stands = stands
        self._is_broken = self._was_cut = False
        self._ended_first: socket.socket | None = None
        self._came = 0
        for end in (client, far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pass_both_ways(self) -> bool:
        """Pass on until both have ended; returns False where the far one ended at once and without a byte."""
        back = threading.Thread(target=self._pass, args=(self.far, self.client), name="relay-back", daemon=True)
        back.start()
        self._pass(self.client, self.far)
        back.join()
        return self._came > 0 or self._ended_first is self.client or self._was_cut

    def break_off(self) -> None:
        """Have the client see an error, not an end, for the way is broken: what it got is not all."""
        self._was_cut = self._was_cut or not self._is_broken
        self._break()

    def _break(self) -> None:
        self._is_broken = True
        with contextlib.suppress(OSError):
            # Wakes whoever reads it and tells the client nothing. When it is closed, this makes it a reset.
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.client.shutdown(socket.SHUT_RD)
        with contextlib.suppress(OSError):
            self.far.shutdown(socket.SHUT_RDWR)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass on bytes to the end of one direction; the other goes on. An error ends both."""
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        at = source  # the end that an error is of
        try:
            while size := source.recv_into(buffer):
                self._came += size if source is self.far else 0
                at = sink
                sink.sendall(view[:size])
                at = source
            self._ended_first = self._ended_first or source
            if source is self.far and not self._is_broken and not self._stands():
                self.break_off()
            if not self._is_broken:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._ended_first = self._ended_first or at
            self._break()
