# shellcheck shell=sh
# Where files of the laptop go. Sourced after lib.sh and folder.sh.

# target_of PATH: the folder that a person means, in $target.
target_of() {
	case $1 in
	'~') target=$HOME ;;
	[~]/*) target=$HOME/${1#??} ;;
	/*) target=$1 ;;
	*) target=$HOME/$1 ;;
	esac
}

# enter_target PATH: make that folder, and the one in it where files lie until they are whole; go there.
enter_target() {
	target_of "$1"
	why=$({ umask 022 && mkdir -p -- "$target" && umask 077 && mkdir -p -- "$target/.mlsh-push"; } 2>&1) ||
		fail no-write "$target can't be written to: ${why##*: }"
	cd -- "$target" || fail no-write "$target can't be entered"
	[ ! -L .mlsh-push ] || fail no-write "$target/.mlsh-push is a link"
}

# read_program: what the laptop wants, as calls of functions with `finish` at its end, in $program.
read_program() {
	await_input
	program=$(cat)
	case $program in *finish) ;; *) fail cut 'the list of files arrived only in part' ;; esac
}
