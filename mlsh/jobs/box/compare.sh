#!/bin/sh
# What differs between two snapshots of one repository.
# compare.sh REPO COMMIT1 COMMIT2 [GIT-DIFF-OPTION...]
. "${0%/*}/lib.sh"
reply
repo=$MLSH_HOME/repos/$1.git first=$2 second=$3
shift 3
for commit in "$first" "$second"; do
	clean_git --git-dir="$repo" cat-file -e "$commit^{tree}" 2>/dev/null ||
		fail no-job "the code of one of the jobs is no longer there"
done
clean_git --git-dir="$repo" diff --no-ext-diff --no-textconv "$@" "$first" "$second" --
