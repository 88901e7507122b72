#!/bin/sh
# The time limit of a job that waits in line: it runs from when the command begins.
# limit.sh ID GRACE SECONDS
#
# Started by the runner and not by the command's side, where it would hold the GPUs' locks too.
. "${0%/*}/lib.sh"
id=$1
this_node
job_folder "$id"
cd "$job" || exit 1
need=''
# shellcheck source=/dev/null
. ./job.sh
# Where the runner is killed, the next one starts another.
parent() {
	read -r _ _ _ parent _ <"/proc/$$/stat"
}
parent
at_first=$parent
until [ -e begun ]; do
	parent
	[ "$parent" = "$at_first" ] || exit 0
	# Not flock by name: it would make the file anew.
	if line_of ticket && ticket=$value && [ -e "$MLSH_HOME/line/$node/$need/$ticket" ]; then
		flock -s 5 5<"$MLSH_HOME/line/$node/$need/$ticket"
	fi
	[ -e begun ] || sleep 1
done 2>/dev/null
exec sh "$LIB/stop.sh" "$id" timeout "$2" "$3"
