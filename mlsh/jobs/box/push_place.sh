#!/bin/sh
# Verify what lies aside, and put it where it belongs.
# push_place.sh PATH NONCE <program   (calls of the functions below)
. "${0%/*}/lib.sh"
. "$LIB/folder.sh"
. "$LIB/push.sh"
nonce=$2
reply
read_program
enter_target "$1"
exec </dev/null

choose_digest

spoilt() { # WHAT
	rm -rf ".mlsh-push/$1"
	fail cut 'what arrived is not what was sent'
}

# check SHA256 NAME...: the small files that lie aside, one after the other.
check() {
	wanted=$1
	shift
	sum=$(cd .mlsh-push/new && tail -q -c +1 -- "$@" 2>/dev/null | digest)
	[ "${sum%% *}" = "$wanted" ] || spoilt new
}

# whole SHA256 PART NAME MODE SECONDS: the large file that lies aside as PART.
whole() {
	sum=$(digest <".mlsh-push/$2")
	[ "${sum%% *}" = "$1" ] || spoilt "$2"
	mkdir -p .mlsh-push/new
	mv -f ".mlsh-push/$2" .mlsh-push/new/whole && chmod "$4" .mlsh-push/new/whole && touch -d "@$5" .mlsh-push/new/whole
	real_folder "${3%/*}" && [ ! -d "$3" ] && mv -f .mlsh-push/new/whole "$3"
}

# real_folder PATH: have a folder there. A link on the way leads who knows where: false.
real_folder() {
	led=$1
	while [ "$led" != . ]; do
		[ ! -L "$led" ] || return 1
		led=${led%/*}
	done
	(umask 022 && mkdir -p -- "$1") 2>/dev/null
}

# into FOLDER NAME...: from aside to that folder, in one step each.
into() {
	folder=$1
	shift
	real_folder "$folder" && (cd .mlsh-push/new/"$folder" && mv -f -- "$@" "$target_now/$folder/") 2>/dev/null
}

look() { stamps "$@"; }
finish() {
	rm -rf .mlsh-push/new
	rmdir .mlsh-push 2>/dev/null
	printf '%s end\n' "$nonce"
}
target_now=$(pwd -P)
eval "$program"
