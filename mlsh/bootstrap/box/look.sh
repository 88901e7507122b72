# shellcheck shell=sh
# shellcheck disable=SC2154  # lib.sh goes before this
# Look at a box for all steps at once, and change nothing: `key value` lines, which mlsh/bootstrap/facts.py understands.
# sh -c "$(cat lib.sh look.sh STEP...)" mlsh MLSH_HOME [text|plain PATH]...
# Each step's own part comes after this as a function, and `through STEP` says that it came to its end.
if timeout -s KILL 5 true; then
	limit='timeout -s KILL 5'
elif timeout -s KILL -t 5 true; then
	limit='timeout -s KILL -t 5'
else
	limit=
fi >/dev/null 2>&1

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
		# shellcheck disable=SC2086
		said=$($limit sudo -n -- id -u 2>&1 </dev/null)
		code=$?
		case $code:$said in
		0:0) say root sudo ;;
		0:*) say root lies ;;
		*password\ is\ required*) say root asks ;;
		*) say root refused ;;
		esac
	fi
}

look_at() { # text|plain PATH: how a path stands, and its text if that is short
	# shellcheck disable=SC2088
	case $2 in "~/"*) at=$HOME/${2#??} ;; *) at=$2 ;; esac
	state_of "$at"
	mine=yes
	[ "$state" = absent ] || is_mine "$at" || mine=no
	say state "$2$tab$state$tab$mine"
	case $1:$state in
	text:file*)
		[ "$(wc -c <"$at")" -le 65536 ] && lines "text $2$tab" <"$at"
		;;
	esac
}

core() {
	say home "$HOME"
	say node "$node"
	say user "${USER:-${LOGNAME:-$(id -un)}}"
	say machine "$(uname -m)"
	say mlsh "$mlsh"
	grep -E '^(PRETTY_NAME|ID|ID_LIKE)=' /etc/os-release | lines os
	set -- /lib/ld-musl-*
	if [ -e "$1" ]; then say libc musl; else say libc "$(getconf GNU_LIBC_VERSION || echo unknown)"; fi
	for manager in apt-get dnf apk; do
		if command -v "$manager" >/dev/null; then say manager "$manager"; fi
	done
	for need in flock tar sha256sum; do
		command -v "$need" >/dev/null || say lacks "$need"
	done
	[ -d "$HOME" ] || say bad no-home
	[ -w "$HOME" ] || say bad read-only
	say free "$(df -Pk -- "$HOME" | tail -n 1)"
	set -- "$mlsh".bootstrap-new.*
	if [ -d "$folder" ] || [ -e "$1" ] || { [ -d "$mlsh" ] && [ -z "$(ls -A "$mlsh")" ]; }; then
		say left yes
	fi
	for entry in "$receipt"/[0-9]*; do
		[ -f "$entry/what" ] || continue
		say entry "${entry##*/}"
		lines entry. <"$entry/what"
		[ ! -e "$entry/ok" ] || say entry. 'ok yes'
	done
	say through core
} 2>/dev/null

core
shift
while [ $# -ge 2 ]; do
	look_at "$1" "$2"
	shift 2
done 2>/dev/null
