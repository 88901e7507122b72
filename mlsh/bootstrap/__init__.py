"""Make a box ready in one command, and take all of it away again.

What is wanted (`desired.py`) and what is there (`facts.py`) make a plan (`plan.py`), step by step (`steps/`). Acting is
thin: `work.py` sends changes (`changes.py`) to the box, where each is written into a receipt before it is made.
"""
