# Ctrl-R in zsh: choose from the history of this machine and of your boxes. The chosen line is put on the command
# line, where you may change it; it never runs by itself. What stood there before is what is looked for.
# Without it: leave `--ctrl-r` out of `mlsh shell init`.
if [[ -o interactive ]] && (( $+commands[mlsh] )); then
	__mlsh_pick() {
		local line
		# The line goes to stdout, the picture to the terminal. When you leave, the command line stays as it was.
		if line=$(mlsh history --pick -- "$BUFFER" </dev/tty); then
			BUFFER=$line
			CURSOR=$#BUFFER
		fi
		zle reset-prompt
	}
	zle -N __mlsh_pick
	bindkey -M emacs '^R' __mlsh_pick
	bindkey -M viins '^R' __mlsh_pick
	bindkey -M vicmd '^R' __mlsh_pick
fi
