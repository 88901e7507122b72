#!/bin/sh
# Have the job's code, its setup and the variables of its login ready.
# prepare.sh ID
#
# The file `unprepared` is gone then. Where it can't be, the file `failed` says why: an exit code, and the reason.
. "${0%/*}/lib.sh"
id=$1
job_folder "$id"
cd "$job" || exit 1
repo='' commit='' shell=interactive setup=''
# shellcheck source=/dev/null
. ./job.sh
get_state
for variable in runner started ended; do
	eval "[ \"\$$variable\" != null ] || $variable="
done

give_up() { # CODE REASON
	printf '%s %s\n' "$1" "$2" >failed
	exit 1
}
[ -s stop ] && exit 1
rm -f failed

# Beside the checkout: start-up files can take their time.
login=
if [ "$shell" != none ] && [ ! -e login-env ] && [ ! -e ../../tasks.list ]; then
	PATH=$plain_path sh "$LIB/login_env.sh" "$id" "$shell" &
	login=$!
fi
login_ready() {
	[ -z "$login" ] || wait "$login"
	[ ! -s stop ] || exit 1
}

if [ -n "$commit" ]; then
	put_state PENDING checkout '' null
	if ! why=$(sh "$LIB/checkout.sh" "$id" "$repo" "$commit" 2>&1); then
		# Half of the code is good for nothing, and the disk may be full.
		rm -rf "$tree"
		[ -s stop ] && exit 1
		case $why in
		# `mlsh run` knows this one by its words, and launches the job anew: no word in a log that goes on.
		*'mlsh: the copy of the code here is damaged'*) give_up 1 'the copy of the code on the box was damaged' ;;
		esac
		printf 'mlsh: the code could not be checked out:\n%s\n' "$why"
		case $why in
		# git keeps the reason for this one to itself; it is always the disk.
		*'unable to write file'* | *[Nn]o\ space* | *quota*)
			give_up 1 'the code could not be checked out: the disk is full'
			;;
		*) give_up 1 'the code could not be checked out' ;;
		esac
	fi
	login_ready
	if [ -n "$setup" ]; then
		put_state PENDING setup '' null
		PATH=$plain_path sh "$LIB/setup.sh" "$id"
		code=$?
		[ ! -s stop ] || exit 1
		[ "$code" -eq 0 ] || give_up "$code" "the setup command failed with exit code $code"
	fi
	setsid nice sh "$LIB/spare.sh" "$id" "$repo" "$commit" </dev/null >/dev/null 2>&1 &
fi
login_ready
rm -f unprepared
