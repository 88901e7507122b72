# shellcheck shell=sh
# Who git on the box takes this person for.
command -v git >/dev/null || return
say git.version yes
cd "$HOME" || return
git config --global --get-regexp '^user\.(name|email)$' | while read -r key value; do
	say "git.${key#user.}" "$value"
done
