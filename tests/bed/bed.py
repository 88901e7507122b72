"""The test bed: it makes boxes, of the best kind that this user can have, and laptops."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import base_layer, private_lan
from .box import Box
from .chaos_proxy import ChaosProxy
from .laptop import Laptop
from .namespace_box import NamespaceBox
from .requirements import need
from .user_box import UserBox

WELL_KNOWN = {"gpu1": 11, "gpu2": 12}
FIRST_OTHER, LAST_OTHER = 20, 250


class Bed:
    """Makes boxes and laptops; one for each pytest process.

    `directory` is private to the process and has a short path: a Unix socket's must stay below 108 bytes.
    `is_root` says of which kind the boxes are, and `why_not_root` why not of the better one.
    """

    def __init__(self) -> None:
        self.why_not_root = "" if os.geteuid() == 0 else "the tests don't run as root"
        need("ssh", "sshd", "ssh-keygen", "git", "tmux")
        if not self.why_not_root:
            need("ip", "iptables", "mount", "nsenter", "ss", "unshare", "useradd")
            try:
                self.directory = private_lan.enter()
            except private_lan.NamespaceError as refused:
                self.why_not_root = str(refused)
        if self.why_not_root:
            self.directory = Path(tempfile.mkdtemp(prefix="mlsh-", dir="/tmp"))
            private_lan.start_warden(self.directory)
        else:
            private_lan.start_warden(None)
            self._base = base_layer.make(self.directory / "base")
        self._laptops = itertools.count(1)
        self._free = [*range(LAST_OTHER, FIRST_OTHER - 1, -1)]

    @property
    def is_root(self) -> bool:
        """Whether the boxes are namespaces, with every fault, and not only an sshd of this user."""
        return not self.why_not_root

    def box(self, name: str, *, size_mib: int = 256, sudo: str = "no") -> Box:
        """Make a box and boot it. `sudo` is "no", "password" or "nopass"."""
        return self.boxes([name], size_mib=size_mib, sudo=sudo)[0]

    def boxes(self, names: list[str], *, size_mib: int = 256, sudo: str = "no") -> list[Box]:
        """Make boxes and boot them side by side."""
        if self.why_not_root:
            users = [UserBox(self.directory / "boxes", name, self.why_not_root) for name in names]
            for user_box in users:
                user_box.boot()
            return [*users]
        made = [self._namespace_box(name, size_mib, sudo) for name in names]
        for box in made:
            box.begin_boot()
        for box in made:
            box.end_boot()
        return [*made]

    def _namespace_box(self, name: str, size_mib: int, sudo: str) -> NamespaceBox:
        octet = WELL_KNOWN.get(name) or self._free.pop()
        return NamespaceBox(self.directory / "boxes", self._base, name, octet, size_mib=size_mib, sudo=sudo)

    def rm(self, box: Box) -> None:
        """Remove a box; its address is free again."""
        box.rm()
        if isinstance(box, NamespaceBox) and box.name not in WELL_KNOWN:
            self._free.insert(0, box.octet)

    @contextmanager
    def laptop(self) -> Iterator[Laptop]:
        """A client; what it has started ends with the block."""
        # The pid keeps it apart from the laptops of other workers, whose directories have this path too,
        # unseen from here.
        laptop = Laptop(self.directory / f"{os.getpid()}-{next(self._laptops)}")
        try:
            yield laptop
        finally:
            laptop.close()

    @contextmanager
    def proxy(self, box: Box) -> Iterator[ChaosProxy]:
        """A TCP proxy to the box's sshd, for `laptop.add(box, via=proxy)`."""
        proxy = ChaosProxy(box.host, box.port)
        try:
            yield proxy
        finally:
            proxy.close()
