#!/bin/bash
# The first half of a box's boot, in its new namespaces but with this machine's commands.
# usage: boxboot.sh ROOT NAME ADDRESS; stdout tells the pid that the outside sees; stdin says "go" when eth0 is there,
# and stays open for as long as the box may live.
set -eu
root=$1 name=$2 address=$3
read -r pid _ </proc/self/stat # /proc is still the outside's
echo "$pid"
exec >&2
read -r _
ip -batch - <<IP
link set lo up
addr add $address/24 dev eth0
link set eth0 up
route add default via 10.77.0.1
IP
hostname "$name"
# With what is mounted in it from outside: a home that several boxes share.
mount --rbind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755,size=16m tmpfs "$root/run"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
mkdir "$root/run/sshd"
cat /proc/sys/kernel/random/uuid >"$root/run/boot_id"
mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"
cd "$root"
pivot_root . .
umount -l .
cd /
exec /.bed/bash /.bed/init
