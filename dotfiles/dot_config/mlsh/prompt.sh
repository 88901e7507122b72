# shellcheck shell=sh
# Counts what the prompt shows: GPUs in use, and running mlsh jobs. The prompt starts this beside itself, at most once in
# 15 s, and reads what it wrote the last time: so the prompt never waits for a GPU driver.
# sh prompt.sh FILE        (one line is written there: seconds since 1970, GPUs as 2/8 or -, jobs)
cache=$1
umask 077
mkdir -p "${cache%/*}" || exit
# One at a time. A driver that hangs keeps the lock, and so no second one begins to hang.
exec 9>>"$cache.lock" || exit
command -v flock >/dev/null && ! flock -n 9 && exit

gpus=-
if command -v nvidia-smi >/dev/null; then
	# In use: more than 5 % busy, or more than 500 MiB of its memory taken.
	found=$(timeout -k 1 10 nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader,nounits </dev/null) &&
		gpus=$(printf '%s\n' "$found" | awk -F, '{ n++; if ($1 + 0 > 5 || $2 + 0 > 500) u++ } END { print u + 0 "/" n + 0 }')
fi
node=$(uname -n)
jobs=$(find "${MLSH_HOME:-$HOME/.mlsh}/jobs" -maxdepth 2 -name state.json -exec grep -l '"state":"RUNNING"' {} + |
	tr '\n' '\0' | xargs -0 grep -lF "\"node\":\"$node\"" | wc -l)
printf '%s %s %s\n' "$(date +%s)" "$gpus" "$((jobs))" >"$cache.new" && mv -f "$cache.new" "$cache"
