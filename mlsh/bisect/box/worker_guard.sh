#!/bin/sh
# Look after a worker beside it: the time limit of its probe, and a laptop that is gone. In the folder probes/.
# worker_guard.sh SILENCE
#
# Once a second for as long as the worker lives, so that a probe need not start anything of its own for it.
trap 'kill "$nap" 2>/dev/null; exit 0' TERM
parent() {
	read -r _ _ _ parent _ <"/proc/$$/stat"
}
parent
at_first=$parent
while [ "$parent" = "$at_first" ]; do
	sleep 1 &
	nap=$!
	wait "$nap"
	parent
	read -r up _ </proc/uptime
	up=${up%.*}
	beat=$up
	read -r beat <./beat
	if [ $((up - ${beat:-$up})) -gt "$1" ] && [ ! -e over ]; then
		# It ends its probe first: the result lies here for whoever comes.
		: >over
		echo end 1<>asks
	fi
	number='' phase='' due=''
	read -r number phase due _ <current
	case $due in '' | *[!0-9]*) continue ;; esac
	[ "$up" -ge "$due" ] || continue
	case $phase in
	run) sh "${0%/*}/worker_end.sh" "$number" timeout ;;
	drain) sh "${0%/*}/worker_end.sh" "$number" logger ;;
	esac
done 2>/dev/null
