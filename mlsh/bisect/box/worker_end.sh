#!/bin/sh
# End what a worker runs. In the folder probes/ of its job.
# worker_end.sh NUMBER timeout | cancelled | logger
#
# logger: what keeps the log of a probe that has ended, where something holds that log open.
. "${0%/*}/worker_left.sh"
number=$1
id=${PWD%/probes}
id=${id##*/}
current='' logger=''
read -r current _ _ logger <./current
if [ "$2" = logger ]; then
	[ "$current" = "$number" ] || exit 0
	for directory in /proc/[0-9]*; do
		IFS= read -r stat <"$directory/stat" || continue
		stat=${stat##*) }
		stat=${stat#* }
		[ "${stat%% *}" != "$logger" ] || kill -s KILL "${directory#/proc/}"
	done 2>/dev/null
	kill -s KILL "$logger" 2>/dev/null
	exit 0
fi
# Where it has not begun, this file is all that its worker looks at.
[ -e "$number.why" ] || printf '%s\n' "$2" >"$number.why"
grace=5
[ "$2" = timeout ] || grace=2
worker='' guard='' phase=run rounds=0
read -r worker guard <own
# shellcheck disable=SC2034
mlsh_own=$worker mlsh_spared="$$ $worker $guard $logger"
# Again, for its command may just be starting.
while [ "$current-$phase" = "$number-run" ] && [ "$rounds" -lt 100 ]; do
	mlsh_end "$grace" "$id.$number"
	sleep 0.05
	rounds=$((rounds + 1))
	current=
	read -r current phase _ <./current
done
