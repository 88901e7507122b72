#!/bin/sh
# Which of these paths does git ignore? Prints `//NUMBER` and the ignored paths of each repository, a NUL behind each.
# sh -c "$(cat ignored.sh)" mlsh ROOT   <sh text that calls `repository NUMBER FOLDER PATH...`
printf 'mlsh-reply 1\n'
while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
# shellcheck disable=SC2088
case $1 in '~') root=$HOME ;; '~/'*) root=$HOME/${1#??} ;; /*) root=$1 ;; *) root=./$1 ;; esac
cd -- "$root" || exit
# Nothing of a stranger's configuration is started by this; a repository's owner need not be you.
quiet() { GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*' -c core.fsmonitor=false "$@" 2>/dev/null; }
repository() {
	printf '//%s\0' "$1"
	folder=$2
	shift 2
	# A folder that is ignored itself and was named all the same: rules for names still count in it, as with fd.
	if [ "$folder" = . ] && quiet check-ignore --no-index -q .; then folder=$(quiet rev-parse --show-toplevel) || folder=.; fi
	printf '%s\0' "$@" | quiet -C "$folder" check-ignore --no-index -z --stdin
}
eval "$(cat)"
printf '//end\0'
