# shellcheck shell=sh
# shellcheck disable=SC2154  # version is set before this
# Have uv bring a Python, and leave nothing else.
PATH=$PATH:$HOME/.local/bin
cache=$(mktemp -d) || exit
trap 'rm -rf "$cache"' EXIT
UV_CACHE_DIR=$cache uv python install --no-bin "$version" ||
	{ echo "uv could not bring Python $version: does the box reach the network? (ssh there, and: uv python install $version)"; exit 1; }
