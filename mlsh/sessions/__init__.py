"""Persistent tmux workspaces for a person, on any box: made, listed, attached, saved.

They live on the person's own tmux server, so `tmux attach` by hand and ~/.tmux.conf work as ever. Jobs live on
another one (`tmux -L mlsh`), which nothing here ever names.
"""
