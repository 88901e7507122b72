"""Bring what jobs made to this machine, and data to boxes."""
