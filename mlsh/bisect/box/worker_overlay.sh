#!/bin/sh
# Keep a tar of what is laid over each commit.
# worker_overlay.sh NAME <tar   (NAME: the hash of it)
. "${0%/*}/lib.sh"
reply
case $1 in *[!0-9a-f]* | '') fail internal 'no such name' ;; esac
await_input
folder=$MLSH_HOME/overlays
mkdir -p "$folder" 2>/dev/null || why_no_write "$MLSH_HOME"
cat >"$folder/.$1.$$" 2>/dev/null || why_no_write "$folder"
sum=$(sha256sum <"$folder/.$1.$$")
case $sum in
"$1"*) mv -f "$folder/.$1.$$" "$folder/$1.tar" ;;
*)
	rm -f "$folder/.$1.$$"
	fail cut 'the overlay arrived only in part'
	;;
esac
echo end
