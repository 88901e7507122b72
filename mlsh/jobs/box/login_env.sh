#!/bin/sh
# Write what the person's login shell exports (PATH, conda, modules) to the job's file login-env, as lines
# that sh can read.
# login_env.sh ID interactive|login
#
# Without a terminal and with a time limit, so that start-up files which print, read, exit or hang can't
# harm the job or its log.
. "${0%/*}/lib.sh"
id=$1 how=$2
job_folder "$id"
cd "$job" || exit 1
shell=/bin/sh
read -r shell <login-shell
[ -x "$shell" ] || shell=/bin/sh
unset LC_ALL
MLSH_ENV_FILE=$job/login-env
MLSH_DUMP=$LIB/login_dump.sh
SHELL=$shell
export MLSH_ENV_FILE MLSH_DUMP SHELL
PATH=$plain_path
# shellcheck disable=SC2031
cd "$HOME" || cd /

# ask FLAGS...: run the shell with these flags and have it dump its environment. As a part of the job, so that
# a cancel ends it. 20 s: a start-up file that takes longer hangs.
# $dump is for that shell to expand.
# shellcheck disable=SC2016
dump='exec /bin/sh "$MLSH_DUMP"'
ask() {
	MLSH_JOB_ID=$id setsid timeout -k 1 20 "$shell" "$@" </dev/null >/dev/null 2>&1 &
	wait $!
	[ -s "$MLSH_ENV_FILE" ]
}

case ${shell##*/} in
csh | tcsh)
	# These take -l only alone, and are interactive only for what they read.
	if [ "$how" = interactive ]; then
		printf '%s\n' "$dump" | MLSH_JOB_ID=$id setsid timeout -k 1 20 "$shell" -i >/dev/null 2>&1
		[ -s "$MLSH_ENV_FILE" ] && exit 0
	fi
	ask -c "$dump" && exit 0
	;;
sh | dash | ash | busybox) ask -l -c "$dump" && exit 0 ;;
*)
	[ "$how" = interactive ] && ask -l -i -c "$dump" && exit 0
	[ -s "$job/stop" ] && exit 0
	ask -l -c "$dump" && exit 0
	;;
esac
[ -s "$job/stop" ] && exit 0
echo "mlsh: the start-up files of ${shell##*/} did not come to an end; running with a plain environment"
rm -f "$MLSH_ENV_FILE"
exit 0
