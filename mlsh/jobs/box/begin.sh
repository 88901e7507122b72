#!/bin/sh
# The job has what it waited for, as locks that this process holds: leave the line, and become the command.
# begin.sh ID
. "${0%/*}/lib.sh"
id=$1
this_node
job_folder "$id"
cd "$job" || exit 1
# Whoever wakes it to hold it (wake, in lib.sh) must not end what has begun. The command gets it as it was.
trap : TERM
need='' guarded=''
# shellcheck source=/dev/null
. ./job.sh
[ -s stop ] && exit 130
[ -e hold ] && exit 1
# Its terminal was closed. It has another one when it begins.
[ -e log.end ] && exit 1
get_state
gpus_held=''
cards='' amd=''
while read -r index card vendor; do
	gpus_held="$gpus_held${gpus_held:+ }$index"
	cards="$cards${cards:+,}$card"
	[ "$vendor" != amd ] || amd="$amd${amd:+,}$index"
done <picked
# By id, and in the order of the bus: what a job calls GPU 0 does not depend on what the others take.
if [ -n "$amd" ]; then
	printf 'export ROCR_VISIBLE_DEVICES=%s MLSH_GPUS=%s\n' "$amd" "$amd" >gpu-env || exit 1
elif [ -n "$cards" ]; then
	printf 'export CUDA_VISIBLE_DEVICES=%s CUDA_DEVICE_ORDER=PCI_BUS_ID MLSH_GPUS=%s\n' "$cards" "$cards" >gpu-env || exit 1
fi
note_log
# From here on the runner does not ask again.
mv -f ready begun || exit 1
line_of ticket && ticket=$value
rm -f ticket
rm -f "$MLSH_HOME/line/$node/$need/$ticket"
flock -u 8
exec 8>&-
started=$(date +%s)
put_state RUNNING '' '' null
ring_array
MLSH_JOB_ID=$id PATH=$plain_path exec sh "$LIB/command.sh" "$id"
