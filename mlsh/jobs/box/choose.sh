# shellcheck shell=sh disable=SC2154,SC2034
# Which GPUs, or which slot, a job could have now. Sourced, after gpus.sh. What is free is what nobody locks: a file in
# $locks for jobs of ours, and a folder in $shared for those of other users.

# A twentieth of a GPU is the smallest share.
SHARES=20

# try LOCK MODE: whether the lock could be had.
try() {
	flock -n "$2" "$locks/$1" true || return 1
	[ ! -d "$shared/$1" ] || flock -n "$2" "$shared/$1" true
}

# offer CARD: let other users of this box see what is taken. Where that can't be, nvidia-smi still tells.
offer() {
	[ -d "$shared/$1" ] && return
	[ -L "$shared" ] && return
	[ -d "$shared" ] || mkdir -m 1777 "$shared"
	mkdir -m 755 "$shared/$1"
} 2>/dev/null

# take LOCK MODE: one more to be taken.
take() {
	taking="$taking$1 $2
"
}

# choose_gpus: the locks of GPUs that are free, in $taking, and the GPUs in $picked; false where there are not enough.
# Those in use by jobs of ours are in $held, and how many strangers use in $strangers.
choose_gpus() {
	taking='' picked='' held='' strangers=0 found=0 free=0
	# What is shared already comes first, so that whole GPUs stay whole.
	for pass in ${sharing:+shared} whole; do
		while read -r index card total used busy vendor; do
			[ -n "$index" ] || continue
			wanted_gpu "$index" "$card" "$total" || continue
			[ "$found" -lt "$count" ] || break
			offer "$card"
			if try "$card" -x; then
				[ "$pass" = whole ] || continue
				if [ "$busy" = 1 ]; then
					strangers=$((strangers + 1))
					continue
				fi
				free=$((free + 1))
				take "$card" "${sharing:--x}"
				[ -z "$sharing" ] || take_shares "$card"
			elif [ "$pass" = shared ] && try "$card" -s && [ $((total - used)) -ge "$gpu_memory" ] && take_shares "$card"; then
				take "$card" -s
			else
				[ "$pass" = shared ] || hold_out_for "$card"
				continue
			fi
			found=$((found + 1))
			picked="$picked$index $card $vendor
"
		done <<-END
			$gpus
		END
	done
	[ "$found" -ge "$count" ]
}

# hold_out_for CARD: add what keeps us from it to $held.
hold_out_for() {
	if [ -z "$sharing" ] || ! try "$1" -s; then
		held="$held$1 ${sharing:--x}
"
		return
	fi
	unit=0
	while [ "$unit" -lt "$SHARES" ]; do
		unit=$((unit + 1))
		try "$1.$unit" -x || held="$held$1.$unit -x
"
	done
}

# take_shares CARD: as many of its shares as the job wants; false, and none, where that many are not free.
take_shares() {
	before_shares=$taking
	wanted=$share
	unit=0
	while [ "$unit" -lt "$SHARES" ] && [ "$wanted" -gt 0 ]; do
		unit=$((unit + 1))
		offer "$1.$unit"
		try "$1.$unit" -x || continue
		take "$1.$unit" -x
		wanted=$((wanted - 1))
	done
	[ "$wanted" -eq 0 ] && return 0
	taking=$before_shares
	return 1
}

choose_slot() {
	taking='' picked='' held=''
	slot=0
	while [ "$slot" -lt "$slots" ]; do
		slot=$((slot + 1))
		try "slot.$slot" -x && take "slot.$slot" -x && return 0
		held="${held}slot.$slot -x
"
	done
	return 1
}
