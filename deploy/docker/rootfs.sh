#!/usr/bin/env bash
# Assembles the image's root file system: rootfs.sh BINARY FOLDER
#
# The Dockerfile calls it where it has built the binary; the tests call it with theirs and run what comes out. It takes
# the C library that the binary was linked with and the trusted certificates from the machine it runs on, a Debian.
set -euo pipefail

binary=$1
root=$2
certificates=/etc/ssl/certs/ca-certificates.crt
user=65532

stop() {
    printf 'rootfs.sh: %s\n' "$1" >&2
    exit 1
}

[[ -x $binary ]] || stop "$binary: not a program"
[[ -s $certificates ]] || stop "$certificates: no trusted certificates here; Debian: apt-get install ca-certificates"
mkdir -p "$root"
[[ -z $(ls -A "$root") ]] || stop "$root: not empty"

# The loader and what it would load, each where the loader looks. A static binary needs none.
libraries() {
    { ldd "$binary" 2> /dev/null || true; } | grep -o '/[^ ]*' || true
}

# Which package a file is of, also where /lib is a link to /usr/lib.
package_of() {
    { dpkg-query --search "$1" 2> /dev/null || dpkg-query --search "/usr$1" 2> /dev/null; } | cut -d : -f 1 | head -n 1
}

# What scanners read, as in other images without dpkg: a file for each package something was taken from.
declare_package() {
    local package=$1
    [[ -n $package ]] || return 0
    mkdir -p "$root/var/lib/dpkg/status.d" "$root/usr/share/doc/$package"
    dpkg-query --status "$package" > "$root/var/lib/dpkg/status.d/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
}

umask 022
install -D -m 755 "$binary" "$root/usr/bin/keyfob"
install -D -m 644 LICENSE "$root/usr/share/doc/keyfob/copyright"
install -D -m 644 "$certificates" "$root$certificates"
declare_package ca-certificates
for library in $(libraries); do
    install -D -m 755 "$library" "$root$library"
    declare_package "$(package_of "$library")"
done

mkdir -p "$root/etc/keyfob"
printf 'root:x:0:0:root:/:/sbin/nologin\nkeyfob:x:%s:%s:keyfob:/home/keyfob:/sbin/nologin\n' $user $user > "$root/etc/passwd"
printf 'root:x:0:\nkeyfob:x:%s:\n' $user > "$root/etc/group"
# Names: first /etc/hosts, which the engine writes, then DNS.
printf 'passwd: files\ngroup: files\nhosts: files dns\n' > "$root/etc/nsswitch.conf"

# Its home, the place of its tokens, and where exec and demo keep theirs: written to only where something is mounted.
install -d -m 755 "$root/home/keyfob" "$root/run/keyfob"
install -d -m 1777 "$root/tmp"
[[ $(id -u) != 0 ]] || chown $user:$user "$root/home/keyfob" "$root/run/keyfob"

du --apparent-size --bytes --summarize "$root" | cut -f 1
