#!/bin/sh
# All that is known of jobs: what was asked, and how each stands. No process per job.
# list.sh [ID...]
#
# What has ended for good never changes. Its spec and state are kept together in $MLSH_HOME/ended.list (see ended.sh),
# so that a box with a thousand old jobs opens one file and not two thousand, and starts two processes.
. "${0%/*}/lib.sh"
reply
this_node
# How its jobs come back after a boot (boot.sh), and whether it is drained, and why.
comes_back='' drained=
[ -e "$MLSH_HOME/nodes/$node.boot" ] && line_of "$MLSH_HOME/nodes/$node.boot" && comes_back=$value
[ -e "$MLSH_HOME/nodes/$node.drained" ] && line_of "$MLSH_HOME/nodes/$node.drained" && drained=$value
printf 'box %s %s %s %s%s\n' "$(date +%s)" "$node" "$boot" "${comes_back:-contact}" "${drained:+ $drained}"
cd "$MLSH_HOME/jobs" 2>/dev/null || exit 0

ids='' list=
if [ "$#" -gt 0 ]; then
	for id; do
		case $id in *[!a-z0-9]*) continue ;; esac
		[ -e "$id/spec.json" ] && ids="$ids $id"
	done
else
	ended=
	# Both looks are at one file: another may take its place between them, and what it adds would be in neither.
	# A job that is being removed leaves the list first and its folder then.
	if [ -s ../ended.list ] && { exec 3<../ended.list; } 2>/dev/null; then
		list=1
		# Its first line sets $ended. The shell reads a file that it sources in blocks, and with `read` byte by byte.
		# shellcheck source=/dev/null
		. /proc/self/fd/3
	fi
	# Both are sorted. What is not whole yet, or on its way out, has a dot in front.
	# shellcheck disable=SC2086
	set -- $ended
	for id in *; do
		[ "$id" = "${1-}" ] || while [ "$#" -gt 0 ] && [ ! -e "$1" ]; do shift; done
		if [ "$id" = "${1-}" ]; then
			shift
			continue
		fi
		case $id in *[!a-z0-9]*) ;; *) ids="$ids $id" ;; esac
	done
fi

specs='' states=''
for id in $ids; do
	specs="$specs $id/spec.json" states="$states $id/state.json"
done
if [ -n "$ids" ]; then
	# Who says that it has not ended, and holds no lock any more? The kernel lists the locks; flock decides.
	# shellcheck disable=SC2086
	open=$(grep -LsE "$FINAL" $states)
	# What runs on another node can't be judged from here.
	# shellcheck disable=SC2086
	[ -z "$open" ] || open=$(grep -lsF "\"node\":\"$node\"" $open)
	if [ -n "$open" ]; then
		held=
		while read -r _ kind _ _ _ where _; do
			[ "$kind" = FLOCK ] && held="$held ${where##*:} "
		done </proc/locks
		alives=
		for path in $open; do
			alives="$alives ${path%/*}/alive"
		done
		# shellcheck disable=SC2086
		stat -c '%i %n' $alives 2>/dev/null | while read -r inode path; do
			case $held in *" $inode "*) continue ;; esac
			id=${path%/*}
			(cd "$id" && settle)
		done
	fi
	# shellcheck disable=SC2086
	cat $specs 2>/dev/null
	# Who stands in line, in order.
	set -- ../line/*/*/[0-9]*
	[ ! -e "$1" ] || printf 'line %s\n' "$@"
	echo mlsh-states
	# shellcheck disable=SC2086
	cat $states 2>/dev/null
fi

# shellcheck disable=SC2086
set -- $ids
if [ "$#" -lt 16 ]; then
	# The list ends with a line mlsh-end as well.
	[ -z "$list" ] || exec cat <&3
	echo mlsh-end
	exit 0
fi
if [ -n "$list" ]; then cat <&3; else echo mlsh-end; fi
# After the answer, so that nobody waits for it: put what has ended into the list, once it is worth the while.
. "$LIB/ended.sh"
ended_add "$@" </dev/null >/dev/null 2>&1 3<&- &
