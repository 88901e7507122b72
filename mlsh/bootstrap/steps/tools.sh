# shellcheck shell=sh
# shellcheck disable=SC2086,SC2154  # $limit is two words; look.sh has it, and the line before this sets wanted and asks
# Which tools there are, and where some are missing and root can be had, what the package manager has of them.
missing=
for tool in $wanted; do
	if where=$(command -v "$tool"); then
		say "tools.has.$tool" "$where"
	elif [ "$tool" != nvitop ]; then
		missing="$missing $tool"
	fi
done
if command -v nvidia-smi >/dev/null; then say tools.nvidia yes; fi
if command -v python3 >/dev/null; then say tools.python yes; fi
# With functions in place we asked before: sudo's refusals are logged, and some are mailed to an admin.
[ -n "$missing" ] && [ "$asks" = yes ] && [ ! -e "$HOME/.config/mlsh/env.d/tools.sh" ] || return 0
ask_root
if command -v apt-get >/dev/null; then
	if ! find /var/lib/apt/lists -name '*_Packages*' | grep -q .; then
		# No lists yet: whether it has them shows once they are fetched.
		printf '%s\n' ripgrep fd-find fzf zoxide | lines tools.offered
	fi
	$limit apt-cache policy ripgrep fd-find fzf zoxide just | awk '
		/^[a-z]/ { name = $1; sub(/:$/, "", name) }
		$1 == "Candidate:" && $2 != "(none)" { print name }' | lines tools.offered
elif command -v dnf >/dev/null; then
	$limit dnf -q -C repoquery --qf '%{name}\n' ripgrep fd-find fzf zoxide just | sort -u | lines tools.offered
elif command -v apk >/dev/null; then
	$limit apk search -x -q ripgrep fd fzf zoxide just | lines tools.offered
fi
