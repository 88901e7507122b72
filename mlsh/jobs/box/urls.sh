#!/bin/sh
# The lines of a job's log, from a byte on, that hold a URL with a port: the first and the last of them.
# urls.sh ID BYTES
#
# `size BYTES`, the job's state, then the lines.
. "${0%/*}/lib.sh"
reply
enter_job "$1"
settle
size=$(wc -c <log)
printf 'size %s\n' "$((size))"
cat state.json
lines() {
	tail -c "+$(($1 + 1))" log | tr '\r' '\n' | grep -aE 'https?://[][0-9A-Za-z.:_-]+:[0-9]'
}
# A server that announced itself early must not be hidden by a thousand URLs that came after it.
lines "$2" | head -n 200 | cut -c 1-4096
lines "$2" | tail -n 200 | cut -c 1-4096
echo end
