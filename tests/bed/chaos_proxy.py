"""A TCP proxy that misbehaves on request; needs no root. Its own thread, a synchronous interface."""

import asyncio
import fcntl
import socket
import struct
import termios
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Direction = Literal["down", "up"]  # down: from the box to the laptop

CHUNK_BYTES = 65536
CHUNKS_IN_FLIGHT = 64
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ChaosProxy:
    """Listens on 127.0.0.1 at `port` and connects to `target_host:target_port` for each client.

    `bytes_down` and `bytes_up` count what was passed on; `connections` how many clients are connected now,
    `accepted` how many ever were.
    """

    host = "127.0.0.1"

    def __init__(self, target_host: str, target_port: int) -> None:
        self.target = (target_host, target_port)
        self.port = 0
        self.bytes_down = 0
        self.bytes_up = 0
        self.accepted = 0
        self._delay_s = 0.0
        self._bytes_per_s = 0.0
        self._left: dict[Direction, int] = {}
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)
        self._thread.start()
        self._flowing = self._call(self._make_event())
        self.accept()

    # -- what a test does

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._pairs)

    def cut_after(self, count: int, direction: Direction = "down") -> None:
        """Pass `count` more bytes in this direction, then reset every connection that is open then."""
        self._do(lambda: self._left.__setitem__(direction, count))

    def hang(self) -> None:
        """Pass nothing on, and say nothing about it, until `resume`."""
        self._do(self._flowing.clear)

    def resume(self) -> None:
        """Pass on what has waited since `hang`, and go on."""
        self._do(self._flowing.set)

    def latency(self, ms: float) -> None:
        """Delay each chunk by `ms` each way."""
        self._do(lambda: setattr(self, "_delay_s", ms / 1000))

    def rate(self, bytes_per_s: float) -> None:
        """Pass at most this much a second each way and connection; 0 is no limit."""
        self._do(lambda: setattr(self, "_bytes_per_s", bytes_per_s))

    def reset(self) -> None:
        """Reset every connection, on both sides."""
        self._do(self._reset_all)

    def refuse(self) -> None:
        """Refuse new connections until `accept`; the open ones stay."""
        self._call(self._stop_listening())

    def accept(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._call(self._listen())

    def close(self) -> None:
        """End everything."""
        if self._loop.is_running():
            self.refuse()
            self.reset()
            self._call(self._cancel_all())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    # -- in the proxy's thread

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _do(self, action: Callable[[], object]) -> None:
        async def run() -> None:
            action()

        self._call(run())

    async def _make_event(self) -> asyncio.Event:
        event = asyncio.Event()
        event.set()
        return event

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(writer)
            return
        self.accepted += 1
        pair = (writer, far_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, "up"),
                self._pump(far_reader, writer, "down"),
                return_exceptions=True,
            )
        except asyncio.CancelledError:
            pass  # only `close` cancels; asyncio would log it as an error of the server's callback
        finally:
            self._pairs.discard(pair)
            for side in pair:
                side.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        """Read as fast as the queue has room; `_deliver` passes on when it is time."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_IN_FLIGHT)
        delivery = asyncio.create_task(self._deliver(queue, writer, direction))
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                await queue.put((self._loop.time() + self._delay_s, chunk))
        finally:
            await queue.put((0, b""))
            await delivery

    async def _deliver(
        self, queue: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        while True:
            due, chunk = await queue.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._flowing.wait()
            if not chunk:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            if self._bytes_per_s:
                await asyncio.sleep(len(chunk) / self._bytes_per_s)
            left = self._left.get(direction)
            writer.write(chunk if left is None else chunk[:left])
            await writer.drain()
            self._count(direction, len(chunk) if left is None else min(left, len(chunk)))
            if left is not None and left <= len(chunk):
                del self._left[direction]
                await _flushed(writer)
                self._reset_all()
                return
            if left is not None:
                self._left[direction] = left - len(chunk)

    def _count(self, direction: Direction, count: int) -> None:
        if direction == "down":
            self.bytes_down += count
        else:
            self.bytes_up += count

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            for writer in pair:
                _reset(writer)


async def _flushed(writer: asyncio.StreamWriter) -> None:
    """Wait until the other side's kernel has all of it, for at most a second: a reset throws away the rest."""
    sock: socket.socket = writer.get_extra_info("socket")
    for _ in range(1000):
        unsent = writer.transport.get_write_buffer_size()
        unacknowledged = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        if not unsent and not unacknowledged:
            return
        await asyncio.sleep(0.001)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST instead of a FIN."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
