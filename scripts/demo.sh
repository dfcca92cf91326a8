#!/usr/bin/env bash
# The main job on a local buildlet: create it, send a tree, build there, fetch the result, destroy it.
set -euo pipefail
cd "$(dirname "$0")/.."
gomote() { node bin/gomote.js "$@"; }
step() { printf '\n\033[1m$ %s\033[0m\n' "$*" >&2; "$@"; }

work=$(mktemp -d)
name=
cleanup() {
  if [ -n "$name" ]; then gomote destroy "$name"; fi
  rm -rf "$work"
}
trap cleanup EXIT

printf '\n\033[1m$ gomote create local\033[0m\n' >&2
name=$(gomote create local)
echo "$name"

printf '\n\033[1m$ tar cz . | gomote puttar -dir gomote %s -\033[0m   # this project, with its node_modules\n' "$name" >&2
tar cz --exclude-from=scripts/not-for-building.txt . | gomote puttar -dir gomote "$name" -

step gomote run -dir gomote "$name" node scripts/build.js
step gomote ls "$name" gomote/dist
step gomote run "$name" sh -c 'echo to stdout; echo to stderr >&2; exit 7' || echo "exit status $?"

printf '\n\033[1m$ gomote gettar -dir gomote/dist -o dist.tar.gz %s\033[0m\n' "$name" >&2
gomote gettar -dir gomote/dist -o "$work/dist.tar.gz" "$name"
mkdir "$work/dist"
tar xzf "$work/dist.tar.gz" -C "$work/dist"
cmp "$work/dist/gomote.cjs" dist/gomote.cjs
echo "the build there equals the build here"

step gomote list
step gomote destroy "$name"
name=
step gomote list
printf '\ndone: nothing is left behind\n' >&2
