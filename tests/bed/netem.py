"""A slow and lossy cable in user space: two tap devices, and frames that wait between them.

usage: netem.py NEAR FAR DELAY_MS JITTER_MS LOSS_PERCENT; says "ready" when both devices exist; they vanish
with the process.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
FRAME_BYTES = 65536


def tap(name: str) -> int:
    """Make a tap device and return its file descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def carry(near: int, far: int, delay_s: float, jitter_s: float, loss: float) -> None:
    """Pass frames both ways for ever, each after its delay; with jitter they may overtake each other."""
    waiting: list[tuple[float, int, int, bytes]] = []
    serial = 0
    while True:
        pause_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select([near, far], [], [], pause_s)[0]:
            try:
                frame = os.read(source, FRAME_BYTES)
            except OSError:  # EAGAIN, or the device is down at the moment
                time.sleep(0.001)
                continue
            if random.random() < loss:
                continue
            serial += 1
            due = time.monotonic() + max(0.0, random.gauss(delay_s, jitter_s))
            heapq.heappush(waiting, (due, serial, far if source == near else near, frame))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, target, frame = heapq.heappop(waiting)
            try:
                os.write(target, frame)
            except OSError:  # the device is down: the cable is pulled
                continue


def main() -> None:
    """Make the devices, say so, carry."""
    near, far = tap(sys.argv[1]), tap(sys.argv[2])
    print("ready", flush=True)
    os.close(1)
    delay_ms, jitter_ms, loss_percent = map(float, sys.argv[3:6])
    carry(near, far, delay_ms / 1000, jitter_ms / 1000, loss_percent / 100)


main()
