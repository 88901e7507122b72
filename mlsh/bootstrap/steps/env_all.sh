# shellcheck shell=sh disable=SC1090
# Made by mlsh bootstrap (env): reads what its steps have to say to shells.
for mlsh_env in "$HOME"/.config/mlsh/env.d/*.sh; do
	. "$mlsh_env"
done
unset mlsh_env
