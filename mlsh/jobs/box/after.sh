#!/bin/sh
# Wait until a job has ended, and say whether the one that waits for it may go.
# after.sh ID OTHER:CONDITION   (CONDITION: ok, fail or any)
# Prints `go`, or why not; nothing where it should be asked again.
. "${0%/*}/lib.sh"
other=${2%:*} condition=${2##*:}
id=$other
job_folder "$other"
cd "$job" 2>/dev/null || {
	. "$LIB/task.sh"
	# A task that is yet to begin: it is asked again.
	(the_task "$other" && ever_begins) >/dev/null 2>&1 && sleep 1 && exit 1
	echo "job $other, after which it was to run, is gone"
	exit 0
}
# Its runner holds this for as long as it lives: no polling.
flock -s alive true
settle
get_state || exit 1
is_final || exit 1
case $condition-$state in
any-* | ok-SUCCEEDED) echo go ;;
ok-*) echo "it was to run only if $other succeeds, and that is $state" ;;
fail-SUCCEEDED) echo "it was to run only if $other fails, and that is $state" ;;
fail-CANCELLED) echo "it was to run only if $other fails, and that was cancelled" ;;
fail-*) echo go ;;
*) echo "there is no condition $condition" ;;
esac
