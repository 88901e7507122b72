# shellcheck shell=sh disable=SC2154
# The GPUs of this box, and who computes on them. Sourced.

# A GPU with more in use than this is somebody's, even where no process can be seen (from within a container).
BUSY_MIB=1024

# gpu_look: set $gpus to a line `INDEX ID TOTAL_MIB USED_MIB BUSY VENDOR` for each GPU that jobs can be given.
# False where the driver does not answer. A GPU that is cut into MIG slices is left out.
gpu_look() {
	gpus=
	if command -v nvidia-smi >/dev/null; then
		ask='nvidia-smi --format=csv,noheader,nounits'
		fields=index,uuid,memory.total,memory.used
		# shellcheck disable=SC2086
		cards=$(timeout 30 $ask --query-gpu=$fields,mig.mode.current 2>/dev/null) ||
			cards=$(timeout 30 $ask --query-gpu=$fields 2>/dev/null) || return 1
		# shellcheck disable=SC2086
		computing=$(timeout 30 $ask --query-compute-apps=gpu_uuid,pid 2>/dev/null) || return 1
		while IFS=', ' read -r index card total used mig _; do
			[ "${mig:-}" = Enabled ] && continue
			busy=0
			case $computing in *"$card"*) busy=1 ;; esac
			add_gpu "$index" "$card" "$total" "$used" "$busy" nvidia
		done <<-END
			$cards
		END
	fi
	amd_look || return 1
	while read -r index card total used _; do
		[ -z "$index" ] || add_gpu "$index" "$card" $((total / 1048576)) $((used / 1048576)) 0 amd
	done <<-END
		$cards
	END
	return 0
}

# amd_look: set $cards to a line `INDEX ID TOTAL_BYTES USED_BYTES PERCENT` for each AMD GPU, with - for PERCENT where it
# does not tell how busy it is. False where the driver does not answer.
amd_look() {
	cards=
	rocm=$(command -v rocm-smi) || rocm=/opt/rocm/bin/rocm-smi
	[ -x "$rocm" ] || return 0
	cards=$(timeout 30 "$rocm" --showuniqueid --showuse --showmeminfo vram --csv 2>/dev/null) || return 1
	# Which columns there are, and in which order, changes from version to version.
	cards=$(printf '%s\n' "$cards" | awk -F, '
		{ sub(/\r$/, "") }
		$1 == "device" { for (i = 2; i <= NF; i++) at[$i] = i }
		$1 !~ /^card[0-9]/ { next }
		{
			total = $(at["VRAM Total Memory (B)"] + 0)
			used = $(at["VRAM Total Used Memory (B)"] + 0)
			if (total !~ /^[0-9]+$/ || used !~ /^[0-9]+$/) next
			id = $(at["Unique ID"] + 0)
			if (!sub(/^0x/, "GPU-", id)) id = "AMD-" count + 0
			use = $(at["GPU use (%)"] + 0)
			if (use !~ /^[0-9]+$/) use = "-"
			print count++ + 0, id, total, used, use
		}')
}

# gpu_use: set $use to a line `ID PERCENT` for each GPU, how busy it is. False where a driver does not answer.
gpu_use() {
	use=
	if command -v nvidia-smi >/dev/null; then
		use=$(timeout 20 nvidia-smi --query-gpu=uuid,utilization.gpu --format=csv,noheader,nounits 2>/dev/null) || return 1
		use=$(printf '%s\n' "$use" | tr -d ,)
	fi
	amd_look || return 1
	while read -r _ card _ _ percent; do
		use="$use
$card $percent"
	done <<-END
		$cards
	END
}

# add_gpu INDEX ID TOTAL USED BUSY VENDOR: one more, unless the words make no sense.
add_gpu() {
	case $1 in '' | *[!0-9]*) return ;; esac
	case $2 in '' | *[!A-Za-z0-9-]*) return ;; esac
	# One that is told of twice is one.
	case $gpus in *" $2 "*) return ;; esac
	total=$3 used=$4
	# A card that does not tell its memory: as large as anybody could ask, and judged by its processes.
	case $total in '' | *[!0-9]*) total=99999999 ;; esac
	case $used in '' | *[!0-9]*) used=0 ;; esac
	busy=$5
	limit=$((total / 10))
	[ "$limit" -lt "$BUSY_MIB" ] || limit=$BUSY_MIB
	[ "$used" -le "$limit" ] || busy=1
	gpus="$gpus$1 $2 $total $used $busy $6
"
}

# gpus_known: as gpu_look, from what was seen since the box booted. Whether a GPU is in use is not in it.
gpus_known() {
	known=$MLSH_HOME/nodes/$node.gpus
	if [ -s "$known" ] && { read -r seen && [ "$seen" = "$boot" ]; } <"$known"; then
		gpus=$(sed 1d "$known")
		return 0
	fi
	gpu_look || return 1
	# A driver that is yet to be loaded tells of none.
	[ -z "$gpus" ] || { printf '%s\n%s' "$boot" "$gpus" >"$known.$$" && mv -f "$known.$$" "$known"; } 2>/dev/null
}

# wanted_gpu INDEX ID TOTAL: whether the job could be given this one at all.
wanted_gpu() {
	[ "$3" -ge "$gpu_memory" ] || return 1
	[ -z "$gpu_ids" ] && return 0
	case ",$gpu_ids," in *",$1,"* | *",$2,"*) return 0 ;; esac
	return 1
}

# count_wanted: how many of $gpus those are, in $fitting, and how many there are, in $there.
count_wanted() {
	fitting=0 there=0
	while read -r index card total _; do
		[ -n "$index" ] || continue
		there=$((there + 1))
		! wanted_gpu "$index" "$card" "$total" || fitting=$((fitting + 1))
	done <<-END
		$gpus
	END
}
