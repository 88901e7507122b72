#!/bin/sh
# Run the steps of a recipe as a job on a box; stop at the first that fails.
# sh -c "$(cat job.sh)" mlsh NAME BOX FIRST STEP...
mlsh_name=$1 mlsh_box=$2 mlsh_step=$3
shift 3
mlsh_count=$(($# + mlsh_step - 1))
while [ $# -gt 0 ]; do
	printf '[%s/%s] %s\n' "$mlsh_step" "$mlsh_count" "$1"
	mlsh_text=$1
	eval "$mlsh_text"
	mlsh_code=$?
	if [ "$mlsh_code" -ne 0 ]; then
		printf 'mlsh: step %s of %s ended with %s\n' "$mlsh_step" "$mlsh_count" "$mlsh_code" >&2
		[ "$mlsh_count" -eq 1 ] ||
			printf '      from here: mlsh recipe run %s --on %s --from %s\n' "$mlsh_name" "$mlsh_box" "$mlsh_step" >&2
		exit "$mlsh_code"
	fi
	mlsh_step=$((mlsh_step + 1))
	shift
done
