#!/bin/sh
# Run by the login shell that login_env.sh asks: write what it exports, whole or not at all.
mlsh_file=$MLSH_ENV_FILE
unset MLSH_ENV_FILE MLSH_DUMP MLSH_JOB_ID PWD OLDPWD SHLVL _
umask 077
mlsh_all=$(export -p)
# The person's PATH may lead nowhere. Some shells end at the attempt to set what they keep for themselves.
PATH=/usr/bin:/bin
printf '%s\n' "$mlsh_all" |
	sed '/^\(export\|declare -[a-z]*\) \(SHELLOPTS\|BASHOPTS\|BASH_VERSINFO\|E*UID\|PPID\|LINENO\|OPTIND\)=/d' >"$mlsh_file.part" &&
	[ -s "$mlsh_file.part" ] && mv -f "$mlsh_file.part" "$mlsh_file"
