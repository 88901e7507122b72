#!/bin/sh
# After a boot: start again what waited, and what is meant to be started again.
# resume.sh
. "${0%/*}/lib.sh"
cd "$MLSH_HOME/jobs" 2>/dev/null || exit 0
# A job that ended is not opened again.
for state_file in */state.json */tasks/*/state.json; do
	[ -e "$state_file" ] || continue
	read -r json <"$state_file" || continue
	case $json in *'"state":"PENDING"'* | *'"state":"RUNNING"'*) ;; *) continue ;; esac
	id=${state_file%/state.json}
	case $id in */tasks/*) id=${id%%/*}-${id##*/} ;; esac
	sh "$LIB/settle.sh" "$id"
done
