case $1 in [~]/*) h=$HOME/${1#??};; *) h=$1;; esac; l=$h/lib/$2/$3.sh; [ -r "$l" ] || exit 97; shift 3; exec sh "$l" "$@"
