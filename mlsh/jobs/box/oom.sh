# shellcheck shell=sh disable=SC2154,SC2034
# Whether the kernel has killed a process of a job for want of memory, and whose memory that was. Sourced, in the
# job's folder.
#
# The box's own count (/proc/vmstat) tells of all its processes. The memory cgroup of the runner, which most of what
# it starts shares, tells of those in it; and the limit that was reached may be of one further up. The kernel's log
# knows best, where it may be read.

CGROUPS=/sys/fs/cgroup
CGROUP_OF_SELF=/proc/self/cgroup

# count_of FILE KEY: the number after a word, in $count; nothing where there is none.
count_of() {
	count=
	while read -r key value _; do
		[ "$key" != "$2" ] || { count=$value && break; }
	done <"$1"
	case $count in *[!0-9]*) count= ;; esac
} 2>/dev/null

# at_limit FILE: how often a cgroup had more to give than it may, in $count.
at_limit() {
	case $1 in
	*.failcnt) count= && read -r count <"$1" ;;
	*) count_of "$1" oom ;;
	esac
} 2>/dev/null

# own_cgroup: the folder of this process's memory cgroup, in $cgroup, and where its hierarchy begins, in $top; with
# what counts kills and limits there, in $kills and $limits. Nothing where it can't be seen. $whole is not empty where
# nothing above $top can have a limit.
own_cgroup() {
	cgroup='' one='' two='' whole=''
	while IFS=: read -r _ controllers path; do
		case ,$controllers, in
		,,) two=$path ;;
		*,memory,*) one=$path ;;
		esac
	done <"$CGROUP_OF_SELF"
	# In a container its own group may be all that there is to see, and looks like the root.
	for cgroup in "$CGROUPS/memory$one" "$CGROUPS/memory"; do
		top=$CGROUPS/memory kills=memory.oom_control limits=memory.failcnt
		[ "${cgroup%/}" = "$top" ] || whole=1
		[ ! -r "$cgroup/$kills" ] || return 0
		whole=
	done
	kills=memory.events limits=memory.events.local
	for cgroup in "$CGROUPS$two" "$CGROUPS/unified$two" "$CGROUPS"; do
		[ -r "$cgroup/$kills" ] || continue
		case $cgroup in "$CGROUPS"/unified*) top=$CGROUPS/unified ;; *) top=$CGROUPS ;; esac
		# Before Linux 5.2.
		[ -e "$cgroup/$limits" ] || limits=memory.events
		# The root itself counts nothing.
		[ -e "$top/memory.events" ] || whole=1
		return 0
	done
	cgroup=
} 2>/dev/null

# oom_note: how it stands now, for oom_why: the box's count, the time, the cgroup's counts.
oom_note() {
	count_of /proc/vmstat oom_kill
	printf '%s\n' "$count"
	read -r up _ </proc/uptime
	printf 'since %s\n' "${up%.*}"
	own_cgroup
	[ -n "$cgroup" ] || return 0
	count_of "$cgroup/$kills" oom_kill
	[ -z "$count" ] || printf 'own %s %s\n' "$count" "$cgroup/$kills"
	while at_limit "$cgroup/$limits"; do
		[ -z "$count" ] || printf 'limit %s %s\n' "$count" "$cgroup/$limits"
		[ "$cgroup" != "$top" ] && [ "$cgroup" != "${cgroup%/*}" ] || break
		cgroup=${cgroup%/*}
	done
	[ -z "$whole" ] || echo whole 1
} 2>/dev/null

# oom_why: in $oom, in words, whose memory was at its end when the kernel killed for want of it, since the last
# oom_note. False where it did not.
oom_why() {
	oom='' box='' own='' limit='' whole='' since=0
	# On a full disk it is empty, and nothing is known.
	[ -s oom-before ] || return 1
	{
		read -r before
		while read -r word number path; do
			case $word in
			since) since=$number ;;
			own)
				count_of "$path" oom_kill
				own=same
				[ -n "$count" ] || own=
				[ "${count:-0}" -le "$number" ] || own=grew
				;;
			whole) whole=1 ;;
			limit) [ -n "$limit" ] || { at_limit "$path" && [ "${count:-0}" -gt "$number" ] && limit_of "${path%/*}"; } ;;
			esac
		done
	} <oom-before
	count_of /proc/vmstat oom_kill
	[ "${count:-0}" -le "${before:-$count}" ] || box=grew
	case $own-$box in
	grew-*) ;;
	-grew) ;;
	# The command may have gone to another cgroup.
	same-grew)
		oom='perhaps out of memory: the kernel killed a process of this box for want of it meanwhile'
		return 0
		;;
	*) return 1 ;;
	esac
	[ "$own" = grew ] || whole=
	kernel_says
	if [ -n "$limit" ]; then
		oom="out of memory: its cgroup may use $(about "$limit")"
	elif [ -n "$whole" ]; then
		count_of /proc/meminfo MemTotal:
		oom="out of memory: the box has $(about "$count")"
	else
		oom="out of memory: the box's, or that of its cgroup"
	fi
} 2>/dev/null

# limit_of FOLDER: how much a cgroup may use, in $limit, in KiB; nothing where it has no limit.
limit_of() {
	read -r limit <"$1/memory.max" || read -r limit <"$1/memory.limit_in_bytes"
	case $limit in
	'' | *[!0-9]* | ????????????????*) limit= ;;
	*) limit=$((limit / 1024)) ;;
	esac
} 2>/dev/null

# kernel_says: $limit and $whole by the kernel's log, where that may be read and has a word of it.
kernel_says() {
	said=$({ timeout 5 dmesg || timeout 5 journalctl -k -b -q --no-pager -o short-monotonic -n 5000; } 8>&- 9>&- |
		awk -v since="$since" '
			!match($0, /\[ *[0-9]+\.[0-9]+\]/) || substr($0, RSTART + 1, RLENGTH - 2) + 0 < since { next }
			match($0, /[^+]memory: usage [0-9]+kB, limit [0-9]+kB/) {
				limit = substr($0, RSTART, RLENGTH)
				sub(/.*limit /, "", limit)
				sub(/kB/, "", limit)
			}
			/Memory cgroup out of memory: Kill/ { said = "cgroup " limit }
			/Out of memory: Kill/ { said = "box" }
			END { print said }' 8>&- 9>&-)
	case $said in
	box) limit='' whole=1 ;;
	cgroup\ [0-9]*) limit=${said#* } ;;
	esac
} 2>/dev/null

# about KIB: as people say it.
about() {
	if [ "$1" -ge 10485760 ] || [ $(($1 % 1048576)) -eq 0 ]; then
		printf '%s GiB' $(($1 / 1048576))
	else
		printf '%s MiB' $(($1 / 1024))
	fi
}
