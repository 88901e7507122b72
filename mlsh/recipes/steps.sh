#!/bin/sh
# Run the steps of a recipe one after another in one shell; stop at the first that fails.
# bash|sh steps.sh FOLDER FIRST COUNT
# FOLDER/N is a step's text and FOLDER/N.say what is said of it. FOLDER/next is the step to go on with, FOLDER/cwd where,
# FOLDER/vars (bash alone) the variables and functions that steps made, FOLDER/lost those that were not kept.
mlsh_folder=$1 mlsh_step=$2 mlsh_count=$3
if [ "$mlsh_step" -gt 1 ]; then
	if [ -f "$mlsh_folder/cwd" ]; then
		mlsh_cwd=$(cat "$mlsh_folder/cwd" && printf x)
		cd -- "${mlsh_cwd%?x}" || exit
	fi
fi
# shellcheck source=keep.bash
[ -z "${BASH_VERSION-}" ] || [ "$mlsh_count" -eq 1 ] || . "${0%/*}/keep.bash"
while [ "$mlsh_step" -le "$mlsh_count" ]; do
	printf '%s\n' "$mlsh_step" >"$mlsh_folder/next" || exit
	if [ -f "$mlsh_folder/$mlsh_step.say" ]; then cat "$mlsh_folder/$mlsh_step.say" >&2; fi
	set --
	# shellcheck source=/dev/null
	. "$mlsh_folder/$mlsh_step"
	mlsh_code=$?
	[ "$mlsh_code" -eq 0 ] || exit "$mlsh_code"
	mlsh_step=$((mlsh_step + 1))
	printf '%s\n' "$PWD" >"$mlsh_folder/cwd"
	[ -z "${BASH_VERSION-}" ] || [ "$mlsh_step" -gt "$mlsh_count" ] || mlsh_keep
done
printf 'done\n' >"$mlsh_folder/next"
