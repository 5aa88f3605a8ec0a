#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default 10s). A failing input is left in testdata/fuzz, to be committed with the fix.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
fuzztime=${FUZZTIME:-10s}

grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' libs services |
  sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' |
  sort |
  while read -r package target; do
    echo "== $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "./$package" </dev/null
  done
