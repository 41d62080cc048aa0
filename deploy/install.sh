#!/bin/sh
# Installs the files beside it where the Debian package would put them: `sudo ./install.sh`. With systemd it makes the user
# and enables the service; run again for another version, it restarts the service. Your configuration is kept.
#
#   DESTDIR=FOLDER ./install.sh    only the files, under a folder: for an image, or to look at them
set -eu
cd "$(dirname "$0")"
root=${DESTDIR:-}

mkdir -p "$root/usr" "$root/etc"
cp -R usr/. "$root/usr/"
if [ ! -e "$root/etc/keyfob/keyfob.toml" ]; then
    mkdir -p "$root/etc/keyfob"
    cp etc/keyfob/keyfob.toml "$root/etc/keyfob/"
    chmod 640 "$root/etc/keyfob/keyfob.toml"
    fresh=yes
fi
[ -z "$root" ] || exit 0

if ! [ -d /run/systemd/system ]; then
    echo 'no systemd here: run `keyfob serve` under the supervisor of this system'
    exit 0
fi
systemd-sysusers keyfob.conf
systemd-tmpfiles --create keyfob.conf
[ -z "${fresh:-}" ] || chgrp keyfob /etc/keyfob/keyfob.toml
journalctl --update-catalog || true
systemctl daemon-reload
systemctl enable --quiet keyfob.socket keyfob.service
systemctl start keyfob.socket
systemctl restart keyfob.service
