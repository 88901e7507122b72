#!/bin/sh
# For each folder say `yes` or `no`, whether it is there, and its whole name. tmux itself would take the home folder
# instead of one that is missing, without a word.
# directories.sh FOLDER...
# The tilde is meant as it stands: the laptop leaves it to us.
# shellcheck disable=SC2088
echo mlsh-reply 1; for f; do \
	case $f in '~') f=$HOME ;; '~/'*) f=$HOME/${f#??} ;; /*) ;; *) f=$HOME/$f ;; esac; \
	if [ -d "$f" ] && [ -x "$f" ]; then printf 'yes %s\n' "$f"; else printf 'no %s\n' "$f"; fi; \
	done
