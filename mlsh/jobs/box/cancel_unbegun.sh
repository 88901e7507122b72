#!/bin/sh
# See to it that a task which has not begun never does, for cancel.sh, whose answer this prints.
# cancel_unbegun.sh ID
# Fails with 1 where it has begun.
. "${0%/*}/lib.sh"
. "$LIB/task.sh"
task=$1 id=${1%%-*}
the_task "$task" || exit 1
[ ! -e "tasks/$number/state.json" ] || exit 1
this_node
ended=$(date +%s)
if ! ever_begins; then
	echo over
	task_state "$task" CANCELLED '' 'it never began: its array ended before'
	echo end
	exit 0
fi
ended=$(date +%s) tasks_total=0
# shellcheck source=/dev/null
. ./job.sh
IFS=$tab read -r _ given words <<-END
	$(grep "^$number$tab" tasks.list)
END
# The array's runner may be making the same folder: one of us does.
trap 'rm -rf "$new"' EXIT
stage_task "$number" "$given" "$words" ".$number.$$" || why_no_write "$PWD"
for file in before started log.end; do
	: >"$new/$file" || why_no_write "$PWD"
done
task_state "$task" CANCELLED '' 'before it started' >"$new/state.json"
[ -s "$new/state.json" ] || why_no_write "$PWD"
mv -T "$new" "tasks/$number" 2>/dev/null || exit 1
cat "tasks/$number/state.json"
echo end
[ ! -p bell ] || echo 1<>bell >&2
