#!/bin/sh
# Send files of a job's folder.
# fetch.sh ID NONCE <program
#
# The program is what the laptop wants, as calls of the two functions below and `finish` at its end: sh itself
# takes names with any byte apart. It may arrive while its beginning is carried out already (in bash it is not begun
# before its end). After the bytes of each call come a line with their SHA-256, and how the files
# look now that they have been read: whatever changed in between is seen by that.
. "${0%/*}/lib.sh"
. "$LIB/folder.sh"
nonce=$2
reply
enter_folder "$1"
await_input
exec 4>&1

choose_digest

ending() { # DIGEST PATH...
	printf '\n%s sum %s\n' "$nonce" "${1%% *}"
	shift
	stamps "$@"
	printf '%s end\n' "$nonce"
}

# batch PATH...: small files, one after the other. (tail takes half of the time of cat for them.)
batch() {
	sum=$({ tail -q -c +1 -- "$@" 2>/dev/null | tee /proc/self/fd/3 >&4; } 3>&1 | sha256sum)
	ending "$sum" "$@"
}

# large SKIP COUNT PATH: a file from its mebibyte SKIP on; the sum is that of the whole file.
# COUNT bounds what is read of a file that grows. The sum is made meanwhile, by another process than the one that
# sends: it comes from the page cache, and a tee of so much would cost more.
large() {
	sum=$(
		digest <"$3" 2>/dev/null &
		[ "$2" -eq 0 ] || dd if="$3" bs=1048576 skip="$1" count="$2" 2>/dev/null >&4
		wait
	)
	ending "$sum" "$3"
}

finish() {
	printf '%s finish\n' "$nonce"
}

# By way of a pipe: the input may be a socket, which can't be opened a second time.
cat | {
	exec 5<&0 </dev/null
	# shellcheck source=/dev/null
	. /proc/self/fd/5
}
