# shellcheck shell=sh
# shellcheck disable=SC2154  # lib.sh goes before this
# Hold the lock of bootstrap for as long as standard input stays open. Says `held`, or who has it.
# sh -c "$(cat lib.sh hold.sh)" mlsh MLSH_HOME WHO
command -v flock >/dev/null || refuse no-flock 'there is no flock on the box'
[ -d "$HOME" ] || refuse no-home "the home folder $HOME does not exist"

ensure_folder() {
	[ -d "$folder" ] && return
	# An empty one is what a removal leaves that was killed at its last command.
	rmdir -- "$mlsh" 2>/dev/null
	if [ -d "$mlsh" ]; then
		why=$({ mkdir -m 700 -- "$folder"; } 2>&1) || [ -d "$folder" ] || why_not "$folder" "$why"
		return
	fi
	# In one step, so that it is known later who made it, wherever this is killed.
	aside=$mlsh.bootstrap-new
	rm -rf -- "$aside"
	why=$({ mkdir -p -- "${mlsh%/*}" && mkdir -m 700 -- "$aside" "$aside/bootstrap" &&
		: >"$aside/bootstrap/made-home" && mv -T -- "$aside" "$mlsh"; } 2>&1) || [ -d "$folder" ] || {
		rm -rf -- "$aside"
		why_not "$mlsh" "$why"
	}
}

tries=0
while :; do
	ensure_folder
	exec 9>>"$folder/lock" || refuse no-write "$folder/lock can't be written"
	flock -n 9 || refuse busy "another bootstrap is at work there: $(head -n 1 "$folder/lock")"
	# The one before may have removed the folder, lock and all, after we opened it.
	[ "$folder/lock" -ef /proc/self/fd/9 ] && break
	tries=$((tries + 1))
	[ "$tries" -lt 20 ] || refuse busy "another bootstrap is at work there"
done
printf '%.200s, since %s\n' "$2" "$(date '+%Y-%m-%d %H:%M:%S')" >"$folder/lock" 2>/dev/null
(take_work) || exit
why=$({ [ -d "$receipt" ] || mkdir -m 700 -- "$receipt"; } 2>&1) || why_not "$receipt" "$why"
settle
printf 'held\n'
# However the laptop ends, this pipe closes, and the kernel gives the lock back.
cat >/dev/null
leave_nothing
