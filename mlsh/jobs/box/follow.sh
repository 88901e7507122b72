#!/bin/sh
# A job's log as it grows, to the end of the job.
# follow.sh ID from BYTES | tail LINES | nothing
#
# stdout is the log, nothing else. stderr tells how it goes: `mlsh-at BYTES` where stdout begins, a
# `mlsh-beat` every few seconds, and `mlsh-end SIZE STATE` when all has been said. stdin stays open for as
# long as somebody listens.
. "${0%/*}/lib.sh"
# await_task ID: where it is a task that is yet to begin, wait until it does.
await_task() {
	. "$LIB/task.sh"
	the_task "$1" && [ ! -e "tasks/$number/state.json" ] || return 0
	exec 3<&0
	(
		while IFS= read -r _; do :; done
		kill -s TERM 0
	) <&3 3<&- >/dev/null 2>&1 &
	until [ -e "tasks/$number/state.json" ] || ! ever_begins; do
		echo mlsh-beat >&2
		sleep 1
	done
	kill "$!"
	exec 3<&-
}
case $1 in *-*) await_task "$1" ;; esac
enter_job "$1"
size=$(wc -c <log)
case $2 in
from)
	# Beyond the end, as after a power cut that took the last bytes, tail would begin anew.
	at=$3
	[ "$at" -le "$size" ] || at=$size
	;;
tail)
	at=$((size - $(head -c "$size" log | tail -n "$3" | wc -c)))
	;;
nothing) at=-1 ;;
esac
reply
printf 'mlsh-at %s\n' "$at" >&2

# When the laptop is gone, our input ends. (Not our stderr: sshd goes on reading that, for nobody.)
exec 3<&0
(
	while IFS= read -r _; do :; done
	kill -s TERM 0
) <&3 3<&- >/dev/null 2>&1 &
watch=$!
exec 3<&- </dev/null

(
	trap '' PIPE
	while echo mlsh-beat >&2; do
		sleep 3 >/dev/null 2>&1
	done
	kill -s TERM 0
) &
beat=$!

# Ends when the log has its last byte. Waits at locks: it does not poll while the job runs.
(
	turns=0
	while [ ! -e log.end ]; do
		if [ -e log.open ]; then
			flock -s log.lock true
			# Nobody writes the log any more, and nobody said that it is whole.
			[ -e log.open ] && turns=25
		fi
		[ -e log.end ] || sleep 0.2
		turns=$((turns + 1))
		# What nobody will ever start or end is settled here: there may be no other to look at it.
		[ "$turns" -gt 25 ] && settle && turns=0
		get_state && is_final && [ ! -e log.open ] && break
	done
) >/dev/null 2>&1 &
whole=$!

if [ "$at" -ge 0 ]; then
	case $(tail --version 2>&1) in
	*coreutils*) tail --pid="$whole" -s 0.1 -c +$((at + 1)) -f log ;;
	*)
		tail -c +$((at + 1)) -f log &
		tail=$!
		wait "$whole"
		# This tail can't be told when to stop: stop it when it has read everything, or reads no more.
		size=$(wc -c <log) before=-1 still=0
		while read -r key pos <"/proc/$tail/fdinfo/3" && [ "$key" = pos: ] && [ "$pos" -lt "$size" ] && [ "$still" -lt 30 ]; do
			if [ "$pos" = "$before" ]; then still=$((still + 1)); else still=0 before=$pos; fi
			sleep 0.1
		done 2>/dev/null
		kill "$tail"
		;;
	esac
fi
wait "$whole"

# The log is whole; the state follows at once, unless the runner was killed.
until get_state && is_final; do
	[ -e started ] && flock -s alive true
	settle
	get_state && is_final && break
	sleep 0.1
done
kill "$beat" "$watch"
printf 'mlsh-end %s ' "$(wc -c <log)" >&2
cat state.json >&2
