#!/bin/sh
# The logs of an array's tasks, one after the other, each below a line that says whose it is.
# tasklogs.sh ID from 0 | tail LINES
. "${0%/*}/lib.sh"
. "$LIB/task.sh"
reply
enter_job "$1"
[ -s tasks.list ] || fail no-task "$id is one job, and has no tasks: mlsh logs $id"
begun=
while IFS=$tab read -r number _; do
	IFS= read -r json 2>/dev/null <"tasks/$number/state.json" || continue
	field state && state=$value
	printf '%s==> task %s  %s%s <==\n' "$begun" "$number" "$state" "$(params_of "$number")"
	begun='
'
	case $2 in
	tail) tail -n "$3" "tasks/$number/log" ;;
	*) cat "tasks/$number/log" ;;
	esac || exit
done <tasks.list
