#!/bin/sh
# Run tmux with these words, on the person's own server.
# tmux.sh WORD...
# One line, for it travels in the command. What start-up files of the login shell printed, on either channel, ends at
# the reply line. A login that runs one command often has a shorter PATH than a person has.
echo mlsh-reply 1; echo mlsh-reply 1 >&2; \
	t=$(PATH=$PATH:/usr/local/bin:/usr/bin:/bin:$HOME/.local/bin; command -v tmux) || exit 96; \
	unset TMUX TMUX_PANE; exec "$t" -u "$@"
