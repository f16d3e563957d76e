#!/bin/sh
# enter.sh ROOT CHECKOUT PROGRAM [ARGUMENT...]: become PROGRAM of the system in ROOT, which sees /tmp, the devices and
# CHECKOUT where they are. It keeps the pid of this shell, and its mounts are seen by nobody else and end with it.
set -e
[ "$1" = --inside ] || exec unshare --mount --propagation private "$0" --inside "$@"
root=$2 checkout=$3
shift 3
for place in /proc /sys /dev /tmp "$checkout"; do
    mkdir -p "$root$place"
    mount --rbind "$place" "$root$place"
done
exec chroot "$root" /usr/bin/env --chdir="$PWD" "$@"
