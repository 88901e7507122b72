#!/bin/sh
# A job's log, from a byte on or its last lines.
# logs.sh ID from BYTES | tail LINES
. "${0%/*}/lib.sh"
reply
enter_job "$1"
case $2 in
from) exec tail -c +$(($3 + 1)) log ;;
tail) exec tail -n "$3" log ;;
esac
