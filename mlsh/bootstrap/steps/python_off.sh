# shellcheck shell=sh
# shellcheck disable=SC2154  # version is set before this
# Take python_on.sh back: that Python, and the folders that held nothing else.
PATH=$PATH:$HOME/.local/bin
cd "$HOME/.local/share/uv/python" 2>/dev/null || exit 0
UV_CACHE_DIR=$(mktemp -d) || exit
export UV_CACHE_DIR
trap 'rm -rf "$UV_CACHE_DIR"' EXIT
uv python uninstall "$version" || true
for left in cpython-"$version"*; do
	[ ! -e "$left" ] || rm -rf -- "$left"
done
# What uv keeps beside its Pythons, if there is no other one.
set -- cpython-* pypy-* graalpy-*
for left in "$@"; do
	[ ! -e "$left" ] || exit 0
done
rm -rf -- .lock .gitignore .temp
cd "$HOME" && rmdir .local/share/uv/python .local/share/uv .local/share 2>/dev/null
exit 0
