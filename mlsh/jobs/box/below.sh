#!/bin/sh
# Everything at and below these paths, each name with NUL at its end; git's own folders and those named SKIP are left out.
# below.sh SKIP PATH...
skip=$1
shift
for path; do
	shift
	# What git names has no ./ before it, and may look like an option.
	case $path in . | ./*) ;; *) path=./$path ;; esac
	set -- "$@" "$path"
done
exec find "$@" \( -name .git -o -name "$skip" \) -prune -o -print0 2>/dev/null
