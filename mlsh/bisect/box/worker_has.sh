#!/bin/sh
# Whether the code of a bisection is here.
# worker_has.sh REPO COMMIT
. "${0%/*}/lib.sh"
reply
if [ -e "$MLSH_HOME/repos/$1.git/refs/mlsh/$2" ]; then echo yes; else echo no; fi
echo end
