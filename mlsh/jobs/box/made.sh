#!/bin/sh
# Of paths that git does not know, those that a job made to be looked at: no environments and caches of packages.
# made.sh PATH...   (a folder ends with /; printed as ./PATH and NUL)
for path; do
	case $path in
	node_modules/ | */node_modules/ | __pycache__/ | */__pycache__/) continue ;;
	*/) if [ -e "./${path}pyvenv.cfg" ] || [ -d "./${path}conda-meta" ]; then continue; fi ;;
	esac
	printf './%s\0' "${path%/}"
done
