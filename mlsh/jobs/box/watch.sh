#!/bin/sh
# What changes on this box, as it changes, for as long as somebody listens.
# watch.sh [gpus]
#
# Prints what list.sh answers, `mlsh-watch 1`, and from then on a line for each change; see docs/box-layout.md.
# stdin stays open for as long as somebody listens. With `gpus`, GPUs and the load are looked at as well.
. "${0%/*}/lib.sh"
this_node
asked=${1:-}
cd "$MLSH_HOME" || exit 1
mkdir -p nodes jobs 2>/dev/null

# Each change of a state is told in here (changed, in lib.sh).
told=nodes/$node.changes
{ : >>"$told"; } 2>/dev/null || told=/dev/null
tell_anew "$told"
at=$(wc -c <"$told")

# How often something is said, and what nobody tells of is looked for at every second time.
BEAT_S=3

exec 3<&0 </dev/null
: | {
	# Both ends of one pipe, without a file: what happens comes in here.
	exec 6<>/proc/self/fd/0 </dev/null
	trap '' PIPE

	# When the laptop is gone, our input ends.
	(
		while IFS= read -r _; do :; done
		kill -s TERM 0
	) <&3 3<&- 6>&- >/dev/null 2>&1 &
	helpers=$!
	often=
	# Where it can't be woken by the kernel (a network disk, an overlay) it looks this often; busybox, every second.
	case $(tail --version 2>&1) in *coreutils*) often='-s 0.2' ;; esac
	# shellcheck disable=SC2086
	tail $often -c +$((at + 1)) -f "$told" >&6 2>/dev/null 3<&- &
	helpers="$helpers $!"
	# Other nodes may have the same home, and tell in files of their own.
	others=$(printf '%s\n' nodes/*.changes)
	# shellcheck disable=SC2046
	set -- $(printf '%s\n' "$others" | grep -vxF "$told")
	if [ "$#" -gt 0 ] && [ -e "$1" ]; then
		# shellcheck disable=SC2086
		tail $often -q -n 0 -f "$@" >&6 2>/dev/null 3<&- &
		helpers="$helpers $!"
	fi

	# put FORMAT VALUES: one line. Without anybody who reads, this ends.
	put() {
		# shellcheck disable=SC2059
		printf "$@" || kill -s TERM 0
	} 2>/dev/null

	# again: begin anew, where what was told can't be told from what was not.
	again() {
		# shellcheck disable=SC2086
		kill $helpers 2>/dev/null
		# shellcheck disable=SC2086
		exec sh "$0" $asked <&3 3<&- 6>&-
	}

	# tell ID: how a job stands, unless that was told. What was told of the job x is in $s_x.
	tell() {
		if ! { IFS= read -r json <"jobs/$1/state.json"; } 2>/dev/null; then
			[ -e "jobs/$1" ] || forget "$1"
			return
		fi
		json=${json%\}*}\}
		eval "before=\${s_$1:-}"
		[ "$json" != "$before" ] || return 0
		case $json in
		*'"state":"PENDING"'* | *'"state":"RUNNING"'*)
			case $open in *" $1 "*) ;; *) open="$open$1 " ;; esac
			;;
		*) close "$1" ;;
		esac
		if [ -n "$before" ]; then
			put 'state %s\n' "$json"
		else
			{ IFS= read -r spec <"jobs/$1/spec.json"; } 2>/dev/null || return 0
			put 'job %s\t%s\n' "$spec" "$json"
			names="$names $1"
		fi
		eval "s_$1=\$json"
	}

	forget() {
		eval "before=\${s_$1:-}"
		[ -n "$before" ] || return 0
		unset "s_$1"
		close "$1"
		put 'gone %s\n' "$1"
	}

	close() {
		case $open in *" $1 "*) open="${open%%" $1 "*} ${open#*" $1 "}" ;; esac
	}

	# tell_line: who waits, in order, where that changed. A task of an array is ID-NUMBER.
	tell_line() {
		for need in gpu cpu; do
			waiting=
			for ticket in "line/$node/$need"/[0-9]*; do
				[ -e "$ticket" ] || continue
				holder=${ticket##*/}
				holder=${holder#*-}
				holder=${holder#*-}
				holder=${holder%-z}
				case $holder in
				*-*)
					number=${holder#*-}
					holder=${holder%%-*}-${number#"${number%%[!0]*}"}
					;;
				esac
				waiting="$waiting $holder"
			done
			eval "before=\${line_$need:-}"
			[ "$waiting" != "$before" ] || continue
			eval "line_$need=\$waiting"
			put 'line %s%s\n' "$need" "$waiting"
		done
	}

	# sweep: find what nobody told of: folders that came and went, runners that were killed, full disks.
	sweep() {
		[ "$(printf '%s\n' nodes/*.changes)" = "$others" ] || again
		now=$(ls jobs)
		if [ "$now" != "$names" ]; then
			for id in $now; do
				case $id in *[!a-z0-9]*) continue ;; esac
				eval "before=\${s_$id:-}"
				[ -n "$before" ] || tell "$id"
			done
			for id in $names; do
				case $id in *[!a-z0-9]*) continue ;; esac
				[ -e "jobs/$id" ] || forget "$id"
			done
			names=$now
		fi
		[ -n "${open# }" ] || return 0
		states=
		for id in $open; do
			states="$states jobs/$id/state.json"
		done
		# shellcheck disable=SC2013,SC2086
		for path in $(grep -lsE "$FINAL" $states); do
			path=${path%/*}
			tell "${path#jobs/}"
		done
		# Who says that it has not ended, and holds no lock any more? What runs on another node can't be judged here.
		alives=
		# shellcheck disable=SC2013,SC2086
		for path in $(grep -lsF "\"node\":\"$node\"" $states); do
			alives="$alives ${path%/*}/alive"
		done
		[ -n "$alives" ] || return 0
		held=
		while read -r _ kind _ _ _ where _; do
			[ "$kind" = FLOCK ] && held="$held ${where##*:} "
		done </proc/locks
		dead=
		# shellcheck disable=SC2086
		for path in $(stat -c '%i:%n' $alives 2>/dev/null); do
			case $held in *" ${path%%:*} "*) continue ;; esac
			path=${path#*:jobs/}
			dead="$dead ${path%/*}"
		done
		[ -n "$dead" ] || return 0
		{ [ -n "$settling" ] && kill -0 "$settling"; } 2>/dev/null && return 0
		# In a session of its own: what it begins, such as a restart, is not to be ended in the middle.
		# shellcheck disable=SC2016,SC2086
		setsid sh -c 'for id; do sh "$0" "$id"; done' "$LIB/settle.sh" $dead </dev/null >/dev/null 2>&1 3<&- 6>&- &
		settling=$!
	}

	names=$(ls jobs) open=' ' settling='' turn=0 soon=''
	for id in $names; do
		case $id in *[!a-z0-9]*) ;; *) eval "s_$id=-" ;; esac
	done
	# What it does after its answer is not to be ended in the middle.
	setsid sh "$LIB/list.sh" 3<&- 6>&-
	put 'mlsh-watch 1\n'
	tell_line
	put 'beat\n'
	while sleep "$BEAT_S"; do echo .beat; done >&6 2>/dev/null 3<&- &
	helpers="$helpers $!"
	if [ "$asked" = gpus ]; then
		sh "$LIB/watch_gpus.sh" 3<&- 6>&- &
		helpers="$helpers $!"
	fi
	# shellcheck disable=SC2086
	for path in $(printf '%s/state.json\n' $names | (cd jobs && xargs grep -lsE '"state":"(PENDING|RUNNING)"')); do
		open="$open${path%/*} "
	done

	while IFS= read -r word <&6; do
		case $word in
		.beat)
			put 'beat\n'
			turn=$((1 - turn))
			[ "$turn" = 1 ] || sweep
			;;
		.line)
			soon=
			tell_line
			;;
		anew) again ;;
		# The tasks of an array are counted in the state of the array.
		*[!a-z0-9]* | '' | [0-9]*) ;;
		*)
			tell "$word"
			# Whoever leaves a line or joins it says so; many may, at once.
			[ -n "$soon" ] || { sleep 0.2 && echo .line; } >&6 3<&- &
			soon=1
			;;
		esac
	done
}
