# shellcheck shell=sh
# Tell what is new in the histories of this account, and change nothing; mlsh/history/pulling.py understands it.
# sh -c "$(cat pull.sh)" mlsh NONCE LIMIT [PATH OFFSET SEEN]...
#
# For each history file that is there: `NONCE file KIND SIZE MTIME START SEEN PATH`, a newline, the bytes from START on,
# and a newline. A file whose SEEN (size, time of change, inode) is the one that was given is only named. No file holds
# the NONCE: it is made up for each call. At most LIMIT bytes of a file are told, the last ones.
printf 'mlsh-reply 1\n'
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
nonce=$1 limit=$2
shift 2
data=${XDG_DATA_HOME:-$HOME/.local/share}
state=${XDG_STATE_HOME:-$HOME/.local/state}
told=' '
newline='
'

tell() { # KIND PATH SEEN SIZE MTIME START: the file from START on
	printf '%s file %s %s %s %s %s %s\n' "$nonce" "$1" "$4" "$5" "$6" "$3" "$2"
	tail -c "+$(($6 + 1))" -- "$2" 2>/dev/null | head -c "$(($4 - $6))"
	printf '\n'
}

one() { # KIND PATH
	kind=$1 path=$2
	case $path in *"$newline"*) return ;; esac
	[ -f "$path" ] || return
	if ! [ -r "$path" ]; then
		printf '%s closed %s\n' "$nonce" "$path"
		return
	fi
	inode=$(ls -Lid -- "$path") || return
	inode=${inode#"${inode%%[0-9]*}"}
	inode=${inode%%[!0-9]*}
	case $told in *" $inode "*) return ;; esac
	told="$told$inode "
	size=$(wc -c <"$path") || return
	size=$((size))
	mtime=$(date -r "$path" +%s 2>/dev/null) || mtime=0
	seen=$size.$mtime.$inode
	if [ "$kind" = atuin ] && [ -f "$path-wal" ]; then
		seen=$seen.$(($(wc -c <"$path-wal"))).$(date -r "$path-wal" +%s 2>/dev/null)
	fi
	shift 2
	start=0
	while [ $# -ge 3 ]; do
		if [ "$1" = "$path" ]; then
			if [ "$3" = "$seen" ]; then
				printf '%s same %s\n' "$nonce" "$path"
				return
			fi
			[ "$2" -gt "$size" ] || start=$2
		fi
		shift 3
	done
	if [ "$kind" = atuin ]; then
		[ "$size" -le "$limit" ] || return
		tell atuin "$path" "$seen" "$size" "$mtime" 0
		[ -f "$path-wal" ] || return
		size=$(($(wc -c <"$path-wal")))
		tell atuin-wal "$path-wal" "$seen" "$size" "$mtime" 0
		return
	fi
	[ "$((size - start))" -le "$limit" ] || start=$((size - limit))
	tell "$kind" "$path" "$seen" "$size" "$mtime" "$start"
}

# Those with times and exit codes first: what the others tell without is then known to be the same.
one atuin "$data/atuin/history.db" "$@"
for path in "$state"/mlsh/recorded/*; do
	case $path in *.now) ;; *) one mlsh "$path" "$@" ;; esac
done
for path in .bash_history .local/state/bash/history .local/share/bash/history .bash_eternal_history; do
	one bash "$HOME/$path" "$@"
done
one bash "$state/bash/history" "$@"
for path in .zsh_history .zhistory .histfile .local/state/zsh/history .local/share/zsh/history .cache/zsh/history \
	.config/zsh/.zsh_history; do
	one zsh "$HOME/$path" "$@"
done
one zsh "$state/zsh/history" "$@"
for path in "$data"/fish/*_history; do
	one fish "$path" "$@"
done
printf '%s end\n' "$nonce"
