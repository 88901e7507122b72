# shellcheck shell=sh
# shellcheck disable=SC2154  # lib.sh goes before this
# Take back what the receipt names, the newest first, each path only if it is still as bootstrap left it.
# sh -c "$(cat lib.sh remove.sh)" mlsh MLSH_HOME DROP STEP...
# DROP: an entry that its step has taken back itself, or `-`;
# STEP: only of these steps; none: of all. Stops at an entry that a step takes back itself: `step NUMBER NAME`.
# Says `back PATH`, `kept PATH TAB WHY` (its entry stays) and `left PATH TAB WHY` (it does not).
drop=$2
shift 2
[ -d "$receipt" ] || refuse no-lock 'the lock of bootstrap is not held'
take_work
settle
[ "$drop" = - ] || [ ! -d "$receipt/$drop" ] || forget "$receipt/$drop"
kept=$newline
said=$folder/said
trap 'rm -f -- "$said"' EXIT
trap 'exit 129' HUP INT TERM

wanted() { # STEP STEPS...
	this=$1
	shift
	[ $# -gt 0 ] || return 0
	for one in "$@"; do [ "$one" != "$this" ] || return 0; done
	return 1
}

keep() { # PATH WHY
	kept=$kept$1$newline
	printf 'kept %s\t%s\n' "$1" "$2"
	return 1
}

restore() { # ENTRY PATH BEFORE
	aside=$2.mlsh-new
	rm -rf -- "$aside"
	case $3 in
	absent) why=$({ rm -f -- "$2"; } 2>&1) ;;
	file*)
		mode=${3#file }
		# A copy aside first: on a full disk the path keeps what it has.
		why=$({ cp -p -- "$1/before" "$aside" && cmp -- "$1/before" "$aside" && chmod "${mode%% *}" -- "$aside" &&
			mv -f -- "$aside" "$2"; } 2>&1)
		;;
	link*) why=$({ ln -s -- "${3#link }" "$aside" && mv -f -- "$aside" "$2"; } 2>&1) ;;
	esac || {
		rm -rf -- "$aside"
		keep "$2" "can't be written: ${why##*: }"
	}
}

back_path() { # ENTRY PATH BEFORE AFTER
	state_of "$2"
	[ "$state" != "$3" ] || return 0
	[ "$state" = "$4" ] || {
		keep "$2" 'changed since'
		return
	}
	restore "$1" "$2" "$3"
}

back_tree() { # ENTRY PATH BEFORE AFTER
	[ -e "$2" ] || [ -h "$2" ] || return 0
	sum_of_tree "$2"
	[ "tree $sum" = "$4" ] || {
		keep "$2" 'changed since'
		return
	}
	rm -rf -- "$2" || keep "$2" "can't be removed"
}

back_dir() { # ENTRY PATH
	[ -d "$2" ] || return 0
	rmdir -- "$2" 2>/dev/null || printf 'left %s\t%s\n' "$2" 'it is not empty'
}

back_packages() { # MANAGER NAMES WILL
	here=
	case $1 in
	apt-get)
		for name in $3; do
			case $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null) in ?[iUFHWtc]*) here="$here $name" ;; esac
		done
		[ -n "$here" ] || return 0
		# shellcheck disable=SC2086
		apt-get -s -q purge $here >"$said" 2>&1 </dev/null
		others=$(awk -v ours=" $here " '/^(Remv|Purg) / && !index(ours, " " $2 " ") { printf "%s ", $2 }' "$said")
		;;
	dnf)
		for name in $3; do if rpm -q "$name" >/dev/null 2>&1; then here="$here $name"; fi; done
		[ -n "$here" ] || return 0
		# shellcheck disable=SC2086
		dnf remove --assumeno --noautoremove $here >"$said" 2>&1 </dev/null
		others=$(awk '/^Removing dependent/ { on = 1; next } /^(Transaction|Removing unused)/ { on = 0 } on && /^ [^ ]/ { printf "%s ", $1 }' "$said")
		;;
	apk)
		for name in $2; do if apk info -e "$name" >/dev/null 2>&1; then here="$here $name"; fi; done
		[ -n "$here" ] || return 0
		others=
		;;
	esac
	[ -z "$others" ] || {
		keep "$1:$here" "needed now by: $others"
		return
	}
	# shellcheck disable=SC2086
	case $1 in
	apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get purge -q -y -o DPkg::Lock::Timeout=60 $here ;;
	dnf) as_root dnf remove -q -y --noautoremove $here ;;
	apk) as_root apk del -q $here ;;
	esac >"$said" 2>&1 </dev/null || keep "$1:$here" "$(tail -n 1 "$said" | cut -c 1-300)"
}

back_run() { # ENTRY LABEL
	if command -v timeout >/dev/null; then
		timeout 120 sh "$1/undo" >"$said" 2>&1 </dev/null 8>&-
	else
		sh "$1/undo" >"$said" 2>&1 </dev/null 8>&-
	fi || keep "$2" "can't be taken back: $(tail -n 1 "$said" | cut -c 1-300)"
}

entries=
for entry in "$receipt"/[0-9]*; do
	[ ! -d "$entry" ] || entries="${entry##*/} $entries"
done
for number in $entries; do
	entry=$receipt/$number
	if ! grep -q '^end$' "$entry/what" 2>/dev/null; then
		forget "$entry"
		continue
	fi
	field step "$entry"
	wanted "$value" "$@" || continue
	field kind "$entry"
	kind=$value
	field path "$entry"
	path=$value
	field before "$entry"
	before=$value
	field after "$entry"
	after=$value
	field node "$entry"
	case $kept in *"$newline$path$newline"*) continue ;; esac
	case $kind in
	pkg | run)
		# The home may be another machine's too; what was done to a machine is taken back on that one.
		if [ "$value" != "$node" ]; then
			keep "$path" "that was on $value: take it back there"
			continue
		fi
		;;
	esac
	case $kind in
	put | link) back_path "$entry" "$path" "$before" "$after" ;;
	tree) back_tree "$entry" "$path" "$before" "$after" ;;
	dir) back_dir "$entry" "$path" ;;
	pkg) back_packages "$path" "$before" "$after" ;;
	run) back_run "$entry" "$path" ;;
	step)
		printf 'step %s %s\n' "$number" "$path"
		exit 0
		;;
	*) keep "$path" "it was made by another version of mlsh, as a $kind" ;;
	esac || continue
	printf 'back %s\n' "$path"
	forget "$entry"
	tidy_folders
done
leave_nothing
printf 'through\n'
