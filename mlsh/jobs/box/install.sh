# Unpack the scripts of one version into MLSH_HOME/lib/HASH, all of them or none.
# sh -c "$(cat install.sh)" mlsh MLSH_HOME HASH <files
case $1 in [~]/*) home=$HOME/${1#??} ;; *) home=$1 ;; esac
umask 077
printf 'mlsh-reply 1\n'
while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
if [ "$line" != mlsh-begin ]; then
	printf 'mlsh-error input-eaten the start-up files of the login shell read what was meant for mlsh\n'
	exit 96
fi
stage=$home/lib/.$2.$$
if ! why=$(mkdir -p "$stage" 2>&1); then
	case $why in
	*[Nn]o\ space* | *quota*) printf 'mlsh-error disk-full the disk of %s is full\n' "$home" ;;
	*[Rr]ead-only*) printf 'mlsh-error read-only %s is on a read-only file system\n' "$home" ;;
	*) printf 'mlsh-error no-write %s: %s\n' "$home" "${why##*: }" ;;
	esac
	exit 96
fi
trap 'rm -rf "$stage"' EXIT
chmod 700 "$home"
while IFS=' ' read -r word name lines; do
	[ "$word" = file ] || break
	while [ "$lines" -gt 0 ] && IFS= read -r line; do
		printf '%s\n' "$line"
		lines=$((lines - 1))
	done 2>/dev/null >"$stage/$name" || word=full
	[ "$word" = file ] || break
	[ "$lines" -eq 0 ] || break
done
# A full disk leaves short files behind without a word: the sum of the bytes tells.
if [ "$word" != end ] && [ "$word" != full ]; then
	printf 'mlsh-error cut the transfer broke off\n'
	exit 96
fi
if [ "$word" = full ] || [ "$(cat "$stage"/* | wc -c)" -ne "$name" ]; then
	printf 'mlsh-error disk-full the disk of %s is full\n' "$home"
	exit 96
fi
# Somebody else may have been quicker; theirs is the same.
mv -T "$stage" "$home/lib/$2" 2>/dev/null || [ -d "$home/lib/$2" ] || exit 96
printf 'installed\n'
