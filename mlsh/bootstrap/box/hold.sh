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
	aside=$mlsh.bootstrap-new.$$
	why=$({ mkdir -p -- "${mlsh%/*}" && mkdir -m 700 -- "$aside" "$aside/bootstrap" &&
		: >"$aside/bootstrap/made-home" && mv -T -- "$aside" "$mlsh"; } 2>&1) && return
	rm -rf -- "$aside"
	# A job's launch may have made it meanwhile.
	[ -d "$mlsh" ] || why_not "$mlsh" "$why"
	why=$({ [ -d "$folder" ] || mkdir -m 700 -- "$folder"; } 2>&1) || why_not "$folder" "$why"
}

tries=0
while :; do
	ensure_folder
	tries=$((tries + 1))
	# The one before may remove the folder at any time. (A failed exec would end dash without a word.)
	if ! (: >>"$folder/lock") 2>/dev/null; then
		[ "$tries" -lt 20 ] || refuse no-write "$folder/lock can't be written"
		continue
	fi
	exec 9>>"$folder/lock"
	flock -n 9 || refuse busy "another bootstrap is at work there: $(head -n 1 "$folder/lock")"
	# Or have removed it, lock and all, after we opened it.
	[ "$folder/lock" -ef /proc/self/fd/9 ] && break
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
