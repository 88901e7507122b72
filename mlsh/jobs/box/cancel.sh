#!/bin/sh
# Cancel a job and answer when it has ended.
# cancel.sh ID GRACE   (GRACE: seconds, or - for what the job was launched with)
# Answers `over` where the job had ended before, its state, and `end`: an answer that was cut off is known to be.
. "${0%/*}/lib.sh"
reply
case $1 in
*-*)
	# A task that has not begun is never to begin.
	sh "$LIB/cancel_unbegun.sh" "$1"
	case $? in 0) exit 0 ;; 96) exit 96 ;; esac
	;;
esac
enter_job "$1"
trap '' HUP PIPE
grace=10
# shellcheck source=/dev/null
. ./job.sh
[ "$2" = - ] || grace=$2
# cancel_tasks: those that have not ended, side by side.
cancel_tasks() {
	for folder in tasks/*/; do
		line_of "$folder/state.json" 2>/dev/null || continue
		case $value in *'"state":"PENDING"'* | *'"state":"RUNNING"'*) ;; *) continue ;; esac
		number=${folder#tasks/}
		sh "$LIB/cancel.sh" "$id-${number%/}" "$grace" >/dev/null 2>&1 &
	done
	wait
}
get_state || fail internal "the state of job $id can't be read"
this_node
if is_final; then
	echo over
	# Of a lost job something may be left.
	if [ "$state" = LOST ] && [ "$node_then" = "$node" ]; then
		sh "$LIB/stop.sh" "$id" cancel "$grace" 0 || fail not-dead "some of its processes don't end, not even by SIGKILL"
	fi
else
	[ "$node_then" = "$node" ] || fail other-node "it runs on the node $node_then: log in there to cancel it"
	ask_stop cancel "$grace"
	[ ! -d tasks ] || cancel_tasks
	if mv -f unstarted started 2>/dev/null; then
		(
			# A runner that comes too late lets go of this at once; `mlsh ps` may hold it to look.
			exec 9>>alive
			timeout 5 flock 9
			get_state
			is_final && exit 0
			ended=$(date +%s) runner='' started=''
			rm -f secret
			drop_ticket
			put_state CANCELLED '' 'before it started' null
		)
		mv -f log.wait log.end 2>/dev/null
	else
		sh "$LIB/stop.sh" "$id" cancel "$grace" 0 || fail not-dead "some of its processes don't end, not even by SIGKILL"
		# The runner writes the state once the command is gone.
		timeout 30 flock -s alive true
		settle
		# One that was started just as the array was told to end.
		[ ! -d tasks ] || cancel_tasks
	fi
	get_state
	is_final || fail not-dead 'it was told to end, and has not ended yet'
fi
cat state.json
echo end
