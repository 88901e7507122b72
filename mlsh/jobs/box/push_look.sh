#!/bin/sh
# What lies where files are to go.
# push_look.sh PATH NONCE <program   (calls of `look PATH...`, and `finish`)
. "${0%/*}/lib.sh"
. "$LIB/folder.sh"
. "$LIB/push.sh"
nonce=$2
reply
read_program
target_of "$1"
if [ -d "$target" ]; then is="folder"; elif [ -e "$target" ]; then is="file"; else is="absent"; fi
tar=none
command -v tar >/dev/null && tar=tar
printf 'target %s %s\n' "$is" "$tar"
look() {
	[ "$is" != folder ] || stamps "$@"
}
finish() { printf '%s end\n' "$nonce"; }
[ "$is" != folder ] || cd -- "$target" || fail no-write "$target can't be entered"
eval "$program"
