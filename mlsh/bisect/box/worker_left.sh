# shellcheck shell=sh disable=SC2154
# The processes that a probe left running. Sourced; our names begin with mlsh_, see worker.sh.
#
# They carry MLSH_PROBE in their environment. One that dropped it is still in the session of its worker. $mlsh_own is
# that session, $mlsh_spared what belongs in it; and so do the children of those.

# mlsh_left MARK [FIRST LAST]: the probe's processes, in $mlsh_pids: of those with these numbers, or of all.
mlsh_left() {
	mlsh_pids='' mlsh_files=''
	# What /proc/PID/environ or /proc/PID/stat says then. A name in parentheses may hold anything. A zombie has ended;
	# it waits for its parent to look.
	mlsh_mark="MLSH_PROBE=${1%.*}[.]${1##*.}" mlsh_stat="^[0-9]+ [(].*[)] [A-WY] [0-9]+ [0-9]+ $mlsh_own "
	[ -n "${mlsh_z:-}" ] || {
		mlsh_z=yes
		grep -zxF x /dev/null 2>/dev/null
		[ "$?" -lt 2 ] || mlsh_z=no
	}
	if [ -n "${2:-}" ]; then
		# Of a short probe there are few, and most often none lives: no process is started to find that.
		mlsh_pid=$2
		while [ "$mlsh_pid" -le "$3" ]; do
			# Each sh on boxes knows -O: ours.
			# shellcheck disable=SC3067
			[ ! -O "/proc/$mlsh_pid" ] || mlsh_files="$mlsh_files /proc/$mlsh_pid/environ /proc/$mlsh_pid/stat"
			mlsh_pid=$((mlsh_pid + 1))
		done
		[ -n "$mlsh_files" ] || return 1
	else
		set -- "$1" /proc/[0-9]*/environ /proc/[0-9]*/stat
		mlsh_files=$*
		mlsh_files=${mlsh_files#* }
	fi
	if [ "$mlsh_z" = yes ]; then
		# shellcheck disable=SC2086
		mlsh_files=$(grep -lszE "^$mlsh_mark\$|$mlsh_stat" $mlsh_files 2>/dev/null)
	else
		# shellcheck disable=SC2086
		mlsh_files=$(grep -lsE "$mlsh_mark|$mlsh_stat" $mlsh_files 2>/dev/null)
	fi
	for mlsh_pid in $mlsh_files; do
		mlsh_file=${mlsh_pid##*/} mlsh_pid=${mlsh_pid%/*}
		mlsh_pid=${mlsh_pid##*/}
		{ IFS= read -r mlsh_stat <"/proc/$mlsh_pid/stat"; } 2>/dev/null || continue
		# State, parent, ...
		mlsh_stat=${mlsh_stat##*) }
		case $mlsh_stat in Z* | X*) continue ;; esac
		mlsh_stat=${mlsh_stat#* }
		case "$mlsh_file $mlsh_spared " in
		"stat"*" $mlsh_pid "* | "stat"*" ${mlsh_stat%% *} "*) ;;
		*) mlsh_pids="$mlsh_pids $mlsh_pid" ;;
		esac
	done
	[ -n "$mlsh_pids" ]
}

# mlsh_end SECONDS MARK [FIRST LAST]: end them: SIGTERM, and after so many seconds SIGKILL.
mlsh_end() {
	mlsh_grace=$1
	shift
	mlsh_left "$@" || return 0
	# A stopped process hears nothing but SIGKILL until it goes on.
	# shellcheck disable=SC2086
	kill -s TERM $mlsh_pids
	# shellcheck disable=SC2086
	kill -s CONT $mlsh_pids
	read -r mlsh_up _ </proc/uptime
	mlsh_late=$((${mlsh_up%.*} + mlsh_grace)) mlsh_rounds=0
	while mlsh_left "$@"; do
		read -r mlsh_up _ </proc/uptime
		if [ "${mlsh_up%.*}" -lt "$mlsh_late" ]; then
			sleep 0.05
			continue
		fi
		# What forks faster than we look is caught by looking again at once.
		# shellcheck disable=SC2086
		kill -s KILL $mlsh_pids
		mlsh_rounds=$((mlsh_rounds + 1))
		[ "$mlsh_rounds" -lt 100 ] || return 1
		[ "$mlsh_rounds" -lt 20 ] || sleep 0.1
	done
} 2>/dev/null
