# Ctrl-R in bash: choose from the history of this machine and of your boxes. The chosen line is put on the command
# line, where you may change it; it never runs by itself. What stood there before is what is looked for.
# Without it: leave `--ctrl-r` out of `mlsh shell init`.
if [[ $- == *i* ]] && ((BASH_VERSINFO[0] >= 4)) && command -v mlsh >/dev/null; then
	__mlsh_pick() {
		local line
		# The line goes to stdout, the picture to the terminal. When you leave, the command line stays as it was.
		if line=$(mlsh history --pick -- "$READLINE_LINE"); then
			READLINE_LINE=$line
			READLINE_POINT=${#line}
		fi
	}
	bind -m emacs -x '"\C-r": __mlsh_pick'
	bind -m vi-insert -x '"\C-r": __mlsh_pick'
	bind -m vi-command -x '"\C-r": __mlsh_pick'
fi
