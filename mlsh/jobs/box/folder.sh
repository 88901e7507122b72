# shellcheck shell=sh disable=SC2154
# Where a job works, and what a file there looks like. Sourced after lib.sh.

# enter_folder ID: go to the folder in which the job's command was started; $commit is its code, or empty.
enter_folder() {
	enter_job "$1"
	commit='' subdir='' workdir=''
	# shellcheck source=/dev/null
	. ./job.sh
	# The worktree is in $tree already.
	[ -n "$commit" ] || tree=$HOME
	case $workdir in
	'') [ -z "$commit" ] || tree=$tree/$subdir ;;
	/*) tree=$workdir ;;
	'~') tree=$HOME ;;
	[~]/*) tree=$HOME/${workdir#??} ;;
	*) tree=$tree/$workdir ;;
	esac
	cd "$tree" 2>/dev/null || fail no-job "the folder of $id is gone: $tree"
}

# stamps PATH...: a record for each that is there. A name may hold any byte but / and NUL, newlines too: what tells
# where a record begins is $nonce, which the laptop made up for this call.
# Octal mode, inode, size, mtime, ctime (with nanoseconds where this stat has them), name, and a link's target.
stamps() {
	QUOTING_STYLE=literal stat -c "$nonce %f %i %s %.9Y %.9Z %n/$nonce%N" -- "$@" 2>/dev/null
}

# choose_digest: have `digest`, the SHA-256 of its input.
# The sha256sum of some coreutils is a tenth as fast as what OpenSSL makes of the same processor; for a little it is
# quicker, for it starts sooner.
# shellcheck disable=SC2329
choose_digest() {
	case $(openssl dgst -sha256 -r </dev/null 2>/dev/null) in
	e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855*) digest() { openssl dgst -sha256 -r; } ;;
	*) digest() { sha256sum; } ;;
	esac
}
