# shellcheck shell=sh
# shellcheck disable=SC2154  # lib.sh goes before this
# Look at a box for all steps at once, and change nothing: `key value` lines, which mlsh/bootstrap/facts.py understands.
# sh -c "$(cat lib.sh look.sh STEP...)" mlsh MLSH_HOME [text|sum|stat PATH]...
# Each step's own part comes after this as a function, and `through STEP` says that it came to its end.
# Before a command that may hang: `$limit COMMAND...`.
# shellcheck disable=SC2034  # the parts of the steps use it
limit=limited
limited() {
	if timeout -s KILL 5 true >/dev/null 2>&1; then
		timeout -s KILL 5 "$@"
	elif timeout -s KILL -t 5 true >/dev/null 2>&1; then
		timeout -s KILL -t 5 "$@"
	else
		"$@"
	fi
}

say() { # KEY VALUE: one line
	printf '%s %.3900s\n' "$1" "$2"
}

lines() { # KEY <text: each line of it
	while IFS= read -r line || [ -n "$line" ]; do
		say "$1" "$line"
	done
}

# Whether root can be had without a password. Asked only where something needs it: a refusal may be mailed to an admin.
ask_root() {
	if [ "$(id -u)" = 0 ]; then
		say root is
	elif ! command -v sudo >/dev/null; then
		say root none
	else
		said=$(sudo_n id -u 2>&1 </dev/null)
		code=$?
		case $code:$said in
		0:0) say root sudo ;;
		0:*) say root lies ;;
		*password\ is\ required*) say root asks ;;
		*) say root refused ;;
		esac
	fi
}

core() {
	say home "$HOME"
	say node "$node"
	say user "${USER:-${LOGNAME:-$(id -un)}}"
	say uid "$(id -u)"
	read -r machine </proc/sys/kernel/arch || machine=$(uname -m)
	say machine "$machine"
	say mlsh "$mlsh"
	while IFS= read -r line; do
		case $line in PRETTY_NAME=* | ID=* | ID_LIKE=*) say os "$line" ;; esac
	done </etc/os-release
	set -- /lib/ld-musl-*
	if [ -e "$1" ]; then say libc musl; else say libc "$(getconf GNU_LIBC_VERSION || echo unknown)"; fi
	for manager in apt-get dnf apk; do
		if command -v "$manager" >/dev/null; then say manager "$manager"; fi
	done
	for need in flock tar gzip sha256sum; do
		command -v "$need" >/dev/null || say lacks "$need"
	done
	[ -d "$HOME" ] || say bad no-home
	[ -w "$HOME" ] || say bad read-only
	df -Pk -- "$HOME" | lines free
	set -- "$mlsh".bootstrap-new.*
	if [ -d "$folder" ] || [ -e "$1" ] || { [ -d "$mlsh" ] && [ -z "$(ls -A "$mlsh")" ]; }; then
		say left yes
	fi
	[ -d "$receipt" ] || return
	awk 'FNR == 1 { name = FILENAME; sub(/\/what$/, "", name); sub(/.*\//, "", name); print "entry " name }
		{ print "entry. " $0 }' "$receipt"/[0-9]*/what
	for ok in "$receipt"/[0-9]*/ok; do
		[ ! -e "$ok" ] || { ok=${ok%/ok} && say ok "${ok##*/}"; }
	done
} 2>/dev/null

# How paths stand, in as few processes as can be: a look at a box where there is nothing to do is to be quick.
# stat: kind, mode and owner; sum: its sum and what a link leads to as well; text: the text too, if it is short.
paths() { # [text|sum|stat PATH]...
	count=$#
	texts=
	sums=
	while [ "$count" -gt 1 ]; do
		# shellcheck disable=SC2088
		case $2 in "~/"*) at=$HOME/${2#??} ;; *) at=$2 ;; esac
		how=$1
		say watched "$at"
		shift 2
		set -- "$@" "$at"
		if [ "$how" != stat ] && [ -h "$at" ]; then
			say link "$at$tab$(readlink -- "$at")"
		fi
		if [ -f "$at" ]; then
			[ "$how" = stat ] || sums=$sums$newline$at
			[ "$how" != text ] || texts=$texts$newline$at
		fi
		count=$((count - 2))
	done
	[ $# -gt 0 ] || return 0
	stat -c 'stat %f %a %u %n' -- "$@"
	[ -n "$sums" ] || return 0
	set -f
	IFS=$newline
	# shellcheck disable=SC2086
	sha256sum -- ${sums#"$newline"}
	# shellcheck disable=SC2086
	[ -z "$texts" ] || find ${texts#"$newline"} -size -128 -exec grep -aH '' {} + | sed 's/^/text /'
	unset IFS
	set +f
} 2>/dev/null

core
say through core
shift
paths "$@"
