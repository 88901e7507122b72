#!/bin/sh
# Write a job's terminal output to its log, to the last byte.
# logger.sh ID <output
. "${0%/*}/lib.sh"
job_folder "$1"
cd "$job" || exit 1
exec 8>>log.lock
flock 8
mv -f log.wait log.open
trap '' INT TERM HUP
# cat ends with an error when the disk is full. What it had read is lost then; what comes later need not be.
# It goes on reading, for tmux would keep in memory what nobody reads.
until cat >>log 8>&-; do
	[ -e log.open ] || exit 1 # the whole folder was deleted
	[ -e log.whole ] && mv -f log.whole log.gap
	sleep 0.1
done 2>/dev/null
[ -e log.gap ] && printf '\nmlsh: the disk was full for a while, and some output is missing above\n' >>log
mv -f log.open log.end

# The output ends when the runner has. If it lives, somebody closed its terminal, and what the job prints is lost.
# The runner can't say so before its command ends; and then it waits for us (log.lock), so that its word is the last.
id=$1
until flock -n alive true 8>&-; do
	sleep 1 8>&-
	# It was started again, and its next writer waits for us.
	[ -e log.end ] || break
	get_state
	if [ "$state" != RUNNING ]; then
		# It has not begun, and its runner does not hear of this while it waits. With another terminal.
		wake
		continue
	fi
	put_state RUNNING '' 'its terminal was closed: what it prints is lost' null
	break
done
