#!/bin/sh
# All that a worker has noted: for a laptop that was killed, and comes back.
# worker_results.sh ID NONCE NUMBER... | -   (of these numbers, or of all and without what they printed)
. "${0%/*}/lib.sh"
enter_job "$1"
nonce=$2 heard=0
shift 2
. "$LIB/worker_said.sh"
reply
settle
get_state
say "state $state"
if [ -e probes/events ]; then
	wanted=" $* "
	exec 5<probes/events
	while IFS= read -r line <&5; do
		heard=$((heard + 1))
		case $line in
		begun\ * | ended\ *) ;;
		*) continue ;;
		esac
		number=${line#* }
		case $wanted in " - " | *" ${number%% *} "*) ;; *) continue ;; esac
		case $wanted$line in
		*" - ended "*) say "$line" ;;
		*" ended "*) say_ended ;;
		*) say "$line" ;;
		esac
	done
fi
say end
echo end
