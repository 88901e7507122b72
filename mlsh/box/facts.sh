# shellcheck shell=sh
# Look at a box, and change nothing: prints `key value` lines, which mlsh/box/facts.py understands.
# sh -c "$(cat facts.sh)" mlsh MLSH_HOME all|gpus|drained
#
# What may hang (a dead network disk, a wedged GPU driver) runs beside the rest and has a time limit, and
# says `through` when it is. Even SIGKILL does not end a process that waits for a device: mlsh reads until
# `end` or until its own limit, and sees by the missing `through` what hangs.
printf 'mlsh-reply 1\n'
printf 'clock %s\nasked %s\n' "$(date +%s.%N)" "$2"
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:$HOME/.local/bin
# shellcheck disable=SC2088
case $1 in "~/"*) mlsh=$HOME/${1#??} ;; *) mlsh=$1 ;; esac
what=$2
newline='
'

# The login shell became this sh by exec: the age of this process is what the start-up files took.
if read -r stat </proc/$$/stat && read -r up _ </proc/uptime; then
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	printf 'login %s %s %s\n' "${20}" "$(getconf CLK_TCK || echo 100)" "$up"
fi 2>/dev/null

if timeout -s KILL 5 true; then
	limit='timeout -s KILL 5'
elif timeout -s KILL -t 5 true; then
	limit='timeout -s KILL -t 5'
else
	limit=
fi >/dev/null 2>&1

say() { # KEY VALUE: one line
	printf '%s %.3900s\n' "$1" "$2"
}

lines() { # KEY <text: each line of it, a long one in pieces, since shorter writes are never torn apart
	while IFS= read -r line || [ -n "$line" ]; do
		while [ ${#line} -gt 3900 ]; do
			piece=$(printf '%.3900s.' "$line")
			say "$1" "${piece%.}"
			line=${line#"${piece%.}"}
		done
		say "$1" "$line"
	done
}

ask() { # KEY COMMAND...: what it prints, and how it ended if not well
	key=$1
	shift
	# shellcheck disable=SC2086
	out=$($limit "$@" 2>&1 </dev/null)
	code=$?
	[ -z "$out" ] || printf '%s\n' "$out" | lines "$key"
	[ "$code" -eq 0 ] || say "$key.exit" "$code"
	return "$code"
}

version() { # TOOL ARGS...: the first line of what it says; nothing where there is none
	command -v "$1" >/dev/null || return
	# shellcheck disable=SC2086
	out=$($limit "$@" 2>&1 </dev/null) || say "tool.$1.exit" "$?"
	say "tool.$1" "${out%%"$newline"*}"
}

machine() {
	say kernel "$(uname -srm)"
	say node "$(uname -n)"
	say user "${USER:-${LOGNAME:-$(id -un)}}"
	say shell "${SHELL:-}"
	say sh "$(readlink -f "$(command -v sh)")"
	if [ -r /etc/os-release ]; then
		grep -E '^(PRETTY_NAME|ID|ID_LIKE)=' /etc/os-release | lines os
	elif [ -r /etc/redhat-release ]; then
		lines os.release </etc/redhat-release
	fi
	lines boot </proc/sys/kernel/random/boot_id
	lines uptime </proc/uptime
	say cpus "$(nproc || getconf _NPROCESSORS_ONLN)"
	grep -E '^(MemTotal|MemAvailable):' /proc/meminfo | lines memory
	version tmux -V
	version git --version
	version bash --version
	version python3 --version
	version uv --version
	version rsync --version
	command -v flock >/dev/null && say tool.flock present
	say through machine
} 2>/dev/null

disk() { # NAME FOLDER: the disk that a folder is on
	ask "df.$1" df -Pk -- "$2" || return
	mount=${out##*% }
	# shellcheck disable=SC2016
	say "mount.$1" "$($limit awk -v m="$mount" '$2 == m { t = $3 " " $4 } END { print t }' /proc/self/mounts)"
	ask "inodes.$1" df -Pi -- "$2"
}

disks() {
	say home "$HOME"
	say mlsh "$mlsh"
	disk tmp "${TMUX_TMPDIR:-/tmp}"
	disk home "$HOME"
	# 137: killed by the limit. Whatever else touches that disk would hang as well.
	if [ "$code" -lt 124 ]; then
		[ -d "$HOME" ] || say home.missing yes
		[ -w "$HOME" ] || say home.readonly yes
	fi
	folder=$mlsh
	while [ ! -d "$folder" ] && [ -n "$folder" ]; do
		folder=${folder%/*}
	done
	disk mlsh "${folder:-/}"
	if [ "$code" -lt 124 ]; then
		[ -w "${folder:-/}" ] || say mlsh.readonly yes
		drained
	fi
	command -v quota >/dev/null && ask quota quota -w
	say through disks
} 2>/dev/null

drained() { # why no job begins here any more (mlsh drain)
	read -r name </proc/sys/kernel/hostname
	case $name in *[!A-Za-z0-9._-]* | '') name=unknown ;; esac
	why=$($limit cat "$mlsh/nodes/$name.drained") || return
	why=${why%%"$newline"*}
	say drained "${why:-no reason given}"
} 2>/dev/null

logins() {
	if [ -d /run/systemd/system ]; then
		say systemd yes
		[ -e "/var/lib/systemd/linger/${USER:-${LOGNAME:-}}" ] && say linger yes
		ask kill busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
			org.freedesktop.login1.Manager KillUserProcesses ||
			cat /etc/systemd/logind.conf /usr/lib/systemd/logind.conf.d/*.conf /etc/systemd/logind.conf.d/*.conf |
			grep -E '^[[:space:]]*KillUserProcesses' | lines kill.conf
	fi
	say through logins
} 2>/dev/null

nvidia() {
	ask nvidia.gpu nvidia-smi --format=csv,noheader,nounits \
		--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,driver_version || return
	# A card that is cut into MIG slices does not tell its utilization.
	case $out in *\[*) ask nvidia.list nvidia-smi -L ;; esac
	ask nvidia.app nvidia-smi --format=csv,noheader,nounits \
		--query-compute-apps=gpu_uuid,pid,used_memory,process_name || return
	pids=$(printf '%s\n' "$out" | sed -n 's|^[^,]*, *\([0-9][0-9]*\),.*|/proc/\1|p' | sort -u)
	# shellcheck disable=SC2086
	[ -z "$pids" ] || $limit stat -c '%n %U' $pids | lines owner
}

gpus() {
	command -v nvidia-smi >/dev/null && nvidia
	amd=$(command -v rocm-smi) || amd=/opt/rocm/bin/rocm-smi
	if [ -x "$amd" ]; then
		ask amd "$amd" --showproductname --showuniqueid --showuse --showmeminfo vram --showtemp \
			--showdriverversion --json
	fi
	grep -lE '^0x(10de|1002)$' /sys/bus/pci/devices/*/vendor | while read -r vendor; do
		read -r class <"${vendor%/*}/class"
		case $class in 0x03*) say card "$(cat "$vendor")" ;; esac
	done
	say through gpus
} 2>/dev/null

case $what in
all)
	gpus &
	disks &
	logins &
	machine
	;;
gpus | drained) "$what" ;;
esac
wait
printf 'end\n'
