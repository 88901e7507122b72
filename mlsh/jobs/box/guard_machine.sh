# shellcheck shell=sh disable=SC2154
# What a job uses of its box: memory, disk, GPUs. Sourced by guard.sh, in the job's folder.

# as_size KIB, as_time SECONDS: as people say it.
as_size() {
	if [ $(($1 % 1048576)) -eq 0 ]; then
		printf '%s GiB' $(($1 / 1048576))
	else
		printf '%s MiB' $(($1 / 1024))
	fi
}
as_time() {
	if [ $(($1 % 3600)) -eq 0 ]; then
		printf '%sh' $(($1 / 3600))
	elif [ $(($1 % 60)) -eq 0 ]; then
		printf '%sm' $(($1 / 60))
	else
		printf '%ss' "$1"
	fi
}

# memory_used: the KiB that all processes of the job use, in $used. What they share counts once, where that has to
# be known: PSS is dear, and never more than RSS, which is cheap.
memory_used() {
	used=0
	get_state
	statuses='' rollups=''
	for pid in $(members "$id" "$runner"); do
		statuses="$statuses /proc/$pid/status" rollups="$rollups /proc/$pid/smaps_rollup"
	done
	[ -n "$statuses" ] || return 0
	# shellcheck disable=SC2086
	resident=$(grep -sH '^VmRSS:' $statuses)
	add_up "$resident"
	[ "$used" -gt "$memory_limit" ] || return 0
	# shellcheck disable=SC2086
	proportional=$(grep -sH '^Pss:' $rollups)
	used=0
	add_up "$proportional"
	# Of those that don't tell, what they have.
	told=$proportional
	others=
	while IFS=/ read -r _ _ pid line; do
		case $told in *"/proc/$pid/"*) ;; *) others="$others/proc/$pid/$line
" ;; esac
	done <<-END
		$resident
	END
	add_up "$others"
}

# add_up LINES: the KiB in lines of `FILE:NAME: KIB kB`, to $used.
add_up() {
	while read -r _ kib _; do
		case $kib in '' | *[!0-9]*) ;; *) used=$((used + kib)) ;; esac
	done <<-END
		$1
	END
}

# look_at_disk: say it once if the disk of the job's folder is nearly full: less than 2 % of it left, of a large one
# less than 20 GiB; and always less than 1 GiB of one that has more than ten.
look_at_disk() {
	# A dead server of a disk must not hold the rest up.
	{
		read -r _
		read -r _ total _ left _
	} <<-END
		$(timeout 10 df -Pk . 2>/dev/null)
	END
	case $total$left in '' | *[!0-9]*) return 0 ;; esac
	floor=$((total / 50))
	[ "$floor" -le 20971520 ] || floor=20971520
	[ "$total" -le 10485760 ] || [ "$floor" -ge 1048576 ] || floor=1048576
	[ "$left" -lt "$floor" ] || return 0
	disk_told="the disk of $MLSH_HOME is nearly full: $((left / 1024)) MiB left of $((total / 1024))"
	say "$disk_told"
	tell disk "$disk_told"
}

# gpus_begin: since when each GPU of the job is idle, in $idle: a line `UUID SINCE` a GPU. At first none is.
gpus_begin() {
	idle='' held=0 told_idle=' '
	[ -n "$idle_gpu" ] && [ -s picked ] || return 0
	while read -r _ card _; do
		held=$((held + 1))
		idle="$idle$card -
"
	done <picked
}

# look_at_gpus: tell of those that have been idle for as long as was asked.
look_at_gpus() {
	[ "$held" -gt 0 ] || return 0
	gpu_use || return 0
	still=''
	while read -r card since; do
		case "
$use
" in
		*"
$card 0
"*) [ "$since" != - ] || since=$up ;;
		*) since=- ;;
		esac
		still="$still$card $since
"
	done <<-END
		${idle%?}
	END
	idle=$still
	for wanted in $idle_gpu; do
		case $told_idle in *" $wanted "*) continue ;; esac
		count=0
		while read -r card since; do
			[ "$since" = - ] || [ $((up - since)) -lt "$wanted" ] || count=$((count + 1))
		done <<-END
			${idle%?}
		END
		[ "$count" -gt 0 ] || continue
		told_idle="$told_idle$wanted "
		what="your job holds $held GPUs at 0 %"
		[ "$held" -ne 1 ] || what='your job holds a GPU at 0 %'
		[ "$count" -eq "$held" ] || what="$count of the $held GPUs that your job holds are at 0 %"
		say "$what, for $(as_time "$wanted") or more"
		tell "idle-gpu:$wanted" "$what, for $(as_time "$wanted") or more"
	done
}
