#!/bin/sh
# Start a job again whose runner is gone: one that never began, or one that is meant to be started again.
# revive.sh ID
# False where it is not such a job; then it is lost.
. "${0%/*}/lib.sh"
. "$LIB/engine_tmux.sh"
id=$1
this_node
job_folder "$id"
cd "$job" || exit 1
exec 9>>alive
# Somebody is at it, or it lives.
flock -n 9 || exit 0
get_state || exit 1
! is_final || exit 0
[ ! -s stop ] || exit 1
max_retries=0 restart='' width=120 height=40 tasks_at_once=''
# shellcheck source=/dev/null
. ./job.sh
why='its runner was killed'
[ "$boot_then" = "$boot" ] || why='the box rebooted'
if [ "$state" = RUNNING ] || [ -e begun ]; then
	[ -n "$restart$tasks_at_once" ] || [ "$attempt" -le "$max_retries" ] || exit 1
	if [ -z "$tasks_at_once" ]; then
		[ "$boot_then" != "$boot" ] || sh "$LIB/stop.sh" "$id" leftover 5 0 9>&- >>log || exit 1
		attempt=$((attempt + 1))
		printf '%s\n' "$attempt" >attempt
	fi
fi
# One that is killed each time must not go on for ever.
revived=0
line_of revive && revived=$value
printf '%s\n' $((${revived:-0} + 1)) >revive.new && [ -s revive.new ] && mv -f revive.new revive
[ "${revived:-0}" -lt 50 ] || exit 1

[ ! -e begun ] || mv -f begun ready
rm -f picked gpu-env
# Its writer went with the terminal, or ends any moment.
if [ -e log.open ]; then
	# busybox's timeout leaves a process behind for a second: it must not have the lock that the runner wants.
	timeout 5 flock log.lock true 9>&- || exit 1
fi
mv -f log.open log.wait 2>/dev/null || mv -f log.end log.wait 2>/dev/null
printf '\nmlsh: %s; started again (attempt %s)\n' "$why" "$attempt" >>log
runner='' started='' ended='' gpus_held=''
put_state PENDING launch "started again: $why" null
mlsh_tmux kill-session -t "=$id" >/dev/null 2>&1 9>&-
[ -e unstarted ] || mv -f started unstarted || exit 1
touch unstarted
exec 9>&-
engine_start "$id" "$width" "$height"
