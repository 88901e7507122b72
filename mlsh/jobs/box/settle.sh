#!/bin/sh
# Give a job a final state, or start it again, if its runner is gone; see settle in lib.sh.
# settle.sh ID [log.lock]
#
# log.lock: once the log's writer is gone, which looks whether the runner lives.
. "${0%/*}/lib.sh"
id=$1
job_folder "$id"
cd "$job" || exit 1
[ -z "${2:-}" ] || timeout 5 flock "$2" true
settle
