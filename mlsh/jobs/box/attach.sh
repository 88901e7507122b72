#!/bin/sh
# Put the person at the job's terminal.
# attach.sh ID
. "${0%/*}/lib.sh"
enter_job "$1"
unset TMUX TMUX_PANE LC_ALL
settle
get_state
is_final && fail ended "job $id has ended"
# The pane knows its server better than we: another TMUX_TMPDIR would look for it elsewhere.
pane=
for _ in 1 2 3 4 5 6 7 8 9 10; do
	get_state
	[ "$runner" = null ] || pane=$(tr '\0' '\n' <"/proc/$runner/environ" 2>/dev/null | sed -n 's/^TMUX=//p')
	[ -n "$pane" ] && break
	sleep 0.2
done
[ -n "$pane" ] || fail ended "job $id has no terminal on this box"
server=${pane%,*}
socket=${server%,*} server=${server##*,}
if [ ! -S "$socket" ]; then
	# Something swept /tmp and tmux's socket with it. The server makes a new one when it is told to.
	mkdir -m 700 "${socket%/*}" 2>/dev/null
	kill -s USR1 "$server"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -S "$socket" ] && break
		sleep 0.1
	done
fi
# A terminal that this box has never heard of.
if command -v tput >/dev/null && ! tput -T "$TERM" clear >/dev/null 2>&1; then
	TERM=xterm-256color
fi
exec tmux -u -S "$socket" attach-session -t "=$id"
