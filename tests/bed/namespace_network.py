"""The cable between a namespace box and the bridge, and everything that can go wrong with it."""

import subprocess
import sys
from pathlib import Path

from .box import Box
from .private_lan import BRIDGE, GATEWAY, ip, root_command


class NetworkFaults(Box):
    """What can be done to the network of a box. The faults are the network's, so they outlast a reboot."""

    octet: int
    _init: int
    _blackholed = False
    _link_up = True
    _latency: tuple[float, float, float] | None = None
    _netem: "subprocess.Popen[bytes] | None" = None

    # -- the faults

    def reset_connections(self) -> None:
        root_command("ss", "-tK", "dst", self.host, "dport", "=", f":{self.port}")

    def blackhole(self, on: bool) -> None:
        if on != self._blackholed and self.alive:
            self._drop_everything("-I" if on else "-D")
        self._blackholed = on

    def link(self, up: bool) -> None:
        self._link_up = up
        if self.alive:
            self._apply_link()

    def latency(self, ms: float, *, jitter_ms: float = 0, loss_percent: float = 0) -> None:
        self._latency = (ms, jitter_ms, loss_percent) if ms or jitter_ms or loss_percent else None
        if self.alive:
            self._stop_netem()
            self._start_netem()
            self._apply_link()

    # -- the cable

    @property
    def _cable(self) -> str:
        return f"v{self.octet}"

    @property
    def _mac(self) -> str:
        # The same after each boot: otherwise others would go on sending to the old one until their ARP entry
        # expires.
        return f"02:4d:4c:00:00:{self.octet:02x}"

    def _plug_in(self) -> None:
        ip(
            f"link add {self._cable} type veth peer name eth0 address {self._mac} netns {self._init}",
            f"link set {self._cable} master {BRIDGE} up",
        )

    def _unplug(self) -> None:
        ip(f"link set {self._near} down")

    def _forget_cable(self) -> None:
        if self._netem:
            self._netem.kill()
            self._netem.wait()
            self._netem = None
        # The kernel removes it some time after the namespace: too late for a reboot that wants the name
        # again.
        root_command("ip", "link", "del", self._cable, check=False)

    def _restore_network_faults(self) -> None:
        self._start_netem()
        if self._blackholed:
            self._drop_everything("-I")
        self._apply_link()

    @property
    def _near(self) -> str:
        """The interface on the bridge through which the box is reached now."""
        return f"na{self.octet}" if self._netem else self._cable

    def _apply_link(self) -> None:
        ip(f"link set {self._near} {'up' if self._link_up else 'down'}")

    def _drop_everything(self, change: str) -> None:
        # In the box's namespace, so that box-to-box traffic is gone too and no sender here sees an error.
        self._in_net("iptables", "-w", change, "INPUT", "!", "-i", "lo", "-j", "DROP")
        self._in_net("iptables", "-w", change, "OUTPUT", "!", "-o", "lo", "-j", "DROP")

    def _start_netem(self) -> None:
        """Put a user-space process between the box and the bridge: not every kernel has `tc netem`."""
        if not self._latency:
            return
        script = str(Path(__file__).with_name("netem.py"))
        near, far = f"na{self.octet}", f"nb{self.octet}"
        self._netem = subprocess.Popen(
            [sys.executable, "-ISE", script, near, far, *map(str, self._latency)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._netem.stdout
        with self._netem.stdout as told:
            if not told.readline():
                raise RuntimeError("netem.py made no tap devices: is /dev/net/tun there?")
        ip(
            f"link set {self._cable} down",
            f"link set {far} address {self._mac}",
            f"link set {near} master {BRIDGE} up",
            f"link set {far} netns {self._init}",
        )
        self._address("eth0", far)

    def _stop_netem(self) -> None:
        if self._netem:
            self._netem.kill()
            self._netem.wait()
            self._netem = None
            self._address("", "eth0")

    def _address(self, old: str, new: str) -> None:
        """Move the box's address to another of its interfaces; open connections don't notice."""
        lines = [f"addr flush dev {old}"] if old else []
        lines += [
            f"link set {new} up",
            f"addr add {self.host}/24 dev {new}",
            f"route replace default via {GATEWAY}",
        ]
        self._in_net("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def _in_net(self, *argv: str, stdin: str | None = None) -> None:
        root_command("nsenter", "-t", str(self._init), "-n", *argv, stdin=stdin)
