#!/bin/sh
# Run a script in bash where there is one, since recipes are written for it; in sh elsewhere.
# sh -c "$(cat with_bash.sh)" mlsh SCRIPT WORD...
script=$1
shift
if command -v bash >/dev/null 2>&1; then exec bash -c "$script" mlsh "$@"; fi
exec sh -c "$script" mlsh "$@"
