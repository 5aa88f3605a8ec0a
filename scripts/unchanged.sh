#!/usr/bin/env bash
# Fails if scripts/<name>.sh would change a file, and says which. It runs in a copy: the tree itself stays as it is,
# whatever happens, and what is not committed yet counts like everything else.
# Usage: scripts/unchanged.sh <name>
set -euo pipefail

name=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cd "$root"
mkdir "$copy/a" "$copy/b"
# A file that was deleted but not committed is listed and not there.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  [[ ! -e $file ]] || printf '%s\0' "$file"
done | tar --null -T - -cf "$copy/tree.tar"
tar -xf "$copy/tree.tar" -C "$copy/a"
tar -xf "$copy/tree.tar" -C "$copy/b"

TOOLS_DIR=${TOOLS_DIR:-$root/.tools} "$copy/b/scripts/$name.sh"

if ! (cd "$copy" && git diff --no-index --no-prefix a b); then
  echo "not up to date: run 'make $name' and commit the result" >&2
  exit 1
fi
