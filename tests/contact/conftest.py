"""A box of which no key opens the account."""

from collections.abc import Iterator

import pytest

from tests.bed import Box
from tests.bed.namespace_box import NamespaceBox


@pytest.fixture
def box(gpu1: Box) -> Iterator[NamespaceBox]:
    """A box that no key opens, with the home of a new account, as it is again after the test."""
    assert isinstance(gpu1, NamespaceBox)
    yield gpu1
    gpu1.sh("chmod 755 /home/alice; chown alice:alice /home/alice", user="root")
    gpu1.reset_sshd_options()
    gpu1.login_shell("/bin/bash")
    gpu1.clean()
