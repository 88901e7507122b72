#!/bin/sh
# What runs in front on the terminals of these processes: a line each with the pid, that of the process in front, and
# its words in hexadecimal, each ended by 00. A pid that is gone gives no line.
# foreground.sh PID...
# After the name, which may hold anything, come: state, parent, group, session, terminal, group in front.
# shellcheck disable=SC2086
echo mlsh-reply 1; for p; do \
	read -r s <"/proc/$p/stat" || continue; set -- ${s##*) }; f=$6; \
	[ -r "/proc/$f/cmdline" ] || f=$p; \
	printf '%s %s %s\n' "$p" "$f" "$(od -An -v -tx1 "/proc/$f/cmdline" | tr -d ' \n')"; \
	done 2>/dev/null
