# shellcheck shell=sh
# Which uv and which Python there are.
if where=$(command -v uv); then say uv.uv "$where"; fi
if command -v python3 >/dev/null; then say uv.python "$(python3 --version 2>&1)"; fi
for at in "$HOME"/.local/share/uv/python/cpython-*/bin/python3; do
	[ ! -x "$at" ] || say uv.brought "$at"
done
