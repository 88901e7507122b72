"""Secrets: how they look (`rules.py`), how they are hidden (`masking.py`), and where they are kept (`store.py`)."""
