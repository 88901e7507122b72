"""SHA-256 without OpenSSL, whose library takes 4 ms to load and is of use only for large data."""

from __future__ import annotations

import importlib
from typing import Any


def sha256(data: bytes = b"") -> Any:
    """What `hashlib.sha256` returns."""
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return importlib.import_module(name).sha256(data)
        except ImportError:
            continue
    raise ImportError("this Python has no SHA-256")
