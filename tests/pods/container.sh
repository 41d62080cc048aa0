#!/usr/bin/env bash
# Turns into one container of a played pod: makes its root from the plan, tells its pid on stderr, goes in.
#
#     container.sh ROOT PLAN COMMAND…
#
# Started as root in namespaces of its own (mounts, processes). The plan has a line for each thing in the root, tabs
# between: "ro FROM TO" and "rw FROM TO" bind a file or folder, "link TEXT TO" is a symbolic link, "folder MODE TO" is
# empty, and after "seal" nothing can be written but what was bound with rw.
set -euo pipefail
root=$1
plan=$2
shift 2

mount -t tmpfs -o mode=0755 none "$root"
while IFS=$'\t' read -r kind from to; do
    place=$root${to:-}
    mkdir -p "$(dirname "$place")"
    case $kind in
        ro | rw)
            if [[ -d $from ]]; then mkdir -p "$place"; else touch "$place"; fi
            mount --bind "$from" "$place"
            [[ $kind == rw ]] || mount -o remount,bind,ro "$place"
            ;;
        link) ln -s "$from" "$place" ;;
        folder) mkdir -p "$place" && chmod "$from" "$place" ;;
        seal) mount -o remount,bind,ro "$root" ;;
    esac
done < "$plan"
mount -t proc proc "$root/proc"

# This /proc is still the host's: there the pid is what others know this process by, and it stays the same to the end.
read -r pid _ < /proc/self/stat
echo "$pid" >&2
exec chroot "$root" "$@" < /dev/null 2>&1
