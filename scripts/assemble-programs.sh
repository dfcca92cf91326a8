#!/usr/bin/env bash
# Assembles the small programs of src/backends/programs/ and writes them as base64 into src/backends/small-programs.ts.
# Needs binutils for both architectures (Debian: binutils-x86-64-linux-gnu, binutils-aarch64-linux-gnu).
set -euo pipefail
cd "$(dirname "$0")/../src/backends/programs"
w=$(mktemp -d); trap 'rm -rf "$w"' EXIT
assemble() { # SOURCE TOOLS
  "$2-as" -o "$w/$1.o" "$1.s"
  "$2-ld" -n -s -o "$w/$1" "$w/$1.o"
  base64 -w 96 "$w/$1" | sed "s/.*/      '&',/"
}
both() { # PROGRAM
  echo "  $1: {"
  echo '    amd64: ['; assemble "$1-x64" x86_64-linux-gnu; echo "    ].join(''),"
  echo '    arm64: ['; assemble "$1-arm64" aarch64-linux-gnu; echo "    ].join(''),"
  echo '  },'
}
{
  echo '// Made by scripts/assemble-programs.sh from src/backends/programs/.'
  echo
  echo '/** Programs of Linux that need no library, in base64, by their name and architecture. */'
  echo 'export const smallPrograms: Readonly<Record<string, Readonly<Record<string, string>>>> = {'
  both dial; both mkfifo
  echo '};'
} >"$w/ts"
cp "$w/ts" ../small-programs.ts
