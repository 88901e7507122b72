#!/bin/sh
# The GPUs of this box, who computes on them, and its load, as they change. Started by watch.sh.
# watch_gpus.sh
#
# `gpu KEY VALUE` lines with the keys of mlsh/box/facts.sh, and `job PID ID` for a process of a job; then `gpus`.
# `host LOAD CPUS MEMORY AVAILABLE DISK FREE`: sizes in KiB, - where the box does not tell.
. "${0%/*}/lib.sh"

LOOK_S=2
cpus=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo -)

# ask KEY COMMAND...: what it prints, and how it ended if not well; in pieces, since shorter writes are never torn apart.
ask() {
	key=$1
	shift
	out=$(timeout -s KILL 20 "$@" 2>&1 </dev/null)
	code=$?
	[ -z "$out" ] || while IFS= read -r line; do
		while [ ${#line} -gt 3900 ]; do
			piece=$(printf '%.3900s.' "$line")
			printf '%s %s\n' "$key" "${piece%.}"
			line=${line#"${piece%.}"}
		done
		printf '%s %s\n' "$key" "$line"
	done <<-END
		$out
	END
	[ "$code" -eq 0 ] || printf '%s.exit %s\n' "$key" "$code"
	return "$code"
}

nvidia() {
	ask nvidia.gpu nvidia-smi --format=csv,noheader,nounits \
		--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,driver_version || return
	case $out in *\[*) ask nvidia.list nvidia-smi -L ;; esac
	ask nvidia.app nvidia-smi --format=csv,noheader,nounits \
		--query-compute-apps=gpu_uuid,pid,used_memory,process_name || return
	pids=$(printf '%s\n' "$out" | sed -n 's|^[^,]*, *\([0-9][0-9]*\),.*|/proc/\1|p' | sort -u)
	[ -n "$pids" ] || return 0
	# shellcheck disable=SC2086
	stat -c 'owner %n %U' $pids
	for path in $pids; do
		job=$(tr '\0' '\n' <"$path/environ" | sed -n 's/^MLSH_JOB_ID=\([a-z0-9-]*\)$/\1/p')
		[ -z "$job" ] || printf 'job %s %s\n' "${path#/proc/}" "$job"
	done
} 2>/dev/null

amd() {
	ask amd "$rocm" --showproductname --showuniqueid --showuse --showmeminfo vram --showtemp --showdriverversion --json
}

look() {
	[ -z "$nvidia" ] || nvidia
	[ ! -x "$rocm" ] || amd
}

host() {
	read -r load _ </proc/loadavg
	memory=- available=-
	while read -r key value _; do
		case $key in MemTotal:) memory=$value ;; MemAvailable:) available=$value && break ;; esac
	done </proc/meminfo
	# A network disk that is gone hangs.
	# shellcheck disable=SC2031
	disk=$(timeout -s KILL 5 df -Pk -- "$HOME" | sed -n '$s/^.* \([0-9][0-9]*\)  *[0-9][0-9]*  *\([0-9][0-9]*\)  *[0-9-]*%* .*$/\1 \2/p')
	printf 'host %s %s %s %s %s\n' "$load" "$cpus" "$memory" "$available" "${disk:-- -}"
} 2>/dev/null

nvidia=$(command -v nvidia-smi)
rocm=$(command -v rocm-smi) || rocm=/opt/rocm/bin/rocm-smi
pause=$LOOK_S before=. turn=0 host_before=
[ -n "$nvidia" ] || [ -x "$rocm" ] || pause=10
while :; do
	if [ $((turn * pause % 10)) -eq 0 ]; then
		now=$(host)
		[ "$now" = "$host_before" ] || printf '%s\n' "$now" || exit 0
		host_before=$now
	fi
	turn=$((turn + 1))
	now=$(look)
	if [ "$now" != "$before" ]; then
		[ -z "$now" ] || printf '%s\n' "$now" | while IFS= read -r line; do
			printf 'gpu %s\n' "$line"
		done
		echo gpus || exit 0
		before=$now
	fi
	sleep "$pause"
done
