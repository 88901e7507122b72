#!/bin/sh
# How the tasks of an array stand, those that were started; or one of them, or a single job.
# tasks.sh ID [NUMBER]
# Answers the line `box NOW NODE BOOT`, the array's spec and state, and the states of tasks, a line each; then `end`:
# an answer that was cut off is known to be.
. "${0%/*}/lib.sh"
. "$LIB/task.sh"
reply
enter_job "$1"
this_node
settle
if [ -n "${2:-}" ]; then
	the_task "$1-$2" || fail no-task "$1 is one job, and has no tasks"
	[ ! -e "tasks/$2" ] || sh "$LIB/settle.sh" "$1-$2"
fi
get_state
# A runner that lives looks after its tasks.
if is_final && [ -d tasks ]; then
	grep -LsE "$FINAL" tasks/*/state.json | while IFS=/ read -r _ number _; do
		sh "$LIB/settle.sh" "$1-$number" </dev/null
	done
fi
printf 'box %s %s %s\n' "$(date +%s)" "$node" "$boot"
cat spec.json
sed 's/ *$//' state.json
if [ -n "${2:-}" ]; then
	sed 's/ *$//' "tasks/$2/state.json" 2>/dev/null
else
	sed 's/ *$//' tasks/*/state.json 2>/dev/null
fi
echo end
