#!/bin/sh
# Take files, aside.
# push_take.sh PATH tar <tar                   small ones
# push_take.sh PATH part NAME SKIP <bytes      a large one, from its mebibyte SKIP on
# push_take.sh PATH size NAME                  how much of a large one is there
. "${0%/*}/lib.sh"
. "$LIB/push.sh"
reply
enter_target "$1"
case $2 in
tar)
	await_input
	rm -rf .mlsh-push/new
	mkdir .mlsh-push/new || why_no_write "$target/.mlsh-push"
	tar -xpf - -C .mlsh-push/new 2>/dev/null || why_no_write "$target/.mlsh-push"
	;;
part)
	await_input
	dd if=/dev/null of=".mlsh-push/$3" bs=1048576 seek="$4" 2>/dev/null || why_no_write "$target/.mlsh-push"
	cat >>".mlsh-push/$3" 2>/dev/null || why_no_write "$target/.mlsh-push"
	;;
size)
	size=0
	[ ! -f ".mlsh-push/$3" ] || size=$(wc -c <".mlsh-push/$3")
	printf 'size %d\n' "$size"
	;;
esac
echo end
