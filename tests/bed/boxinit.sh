#!/bin/bash
# Process 1 of a box: starts sshd, reaps what is orphaned, and ends, and the box with it, when stdin closes.
/usr/sbin/sshd -E /run/sshd.log </dev/null
while read -r _; do :; done
