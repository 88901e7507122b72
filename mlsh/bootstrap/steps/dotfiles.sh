# shellcheck shell=sh
# What the plan of the dotfiles depends on, besides their files.
for tool in bash zsh fish tmux git vim nvim; do
	if command -v "$tool" >/dev/null; then say dotfiles.tool "$tool"; fi
done
for left in "$HOME"/.mlsh-dotfiles.*; do
	[ ! -d "$left" ] || say dotfiles.left "$left"
done
