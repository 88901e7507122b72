#!/bin/sh
# Put the person at a session, on a terminal that this box may never have heard of.
# attach.sh TARGET
t=$(PATH=$PATH:/usr/local/bin:/usr/bin:/bin:$HOME/.local/bin; command -v tmux) || exit 96; \
	unset TMUX TMUX_PANE; tput -T "$TERM" clear >/dev/null 2>&1 || TERM=xterm-256color; \
	exec "$t" -u attach-session -t "$1"
