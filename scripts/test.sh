#!/usr/bin/env bash
# Runs the tests of all modules. Usage: scripts/test.sh [flags of go test]
# PKG narrows to packages; go test's own output is the only output of a good run.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/ensure-redis.sh

# The servers are there now, so a test that does not find one has to fail instead of being skipped.
export CI=true

race=(-race)
cc=$(go env CC)
if [[ $(go env CGO_ENABLED) != 1 ]] || ! command -v "${cc%% *}" >/dev/null; then
  echo "no C compiler: testing without the race detector" >&2
  race=()
fi

read -ra packages <<<"${PKG:-work}"
exec go test ${race[@]+"${race[@]}"} -shuffle=on -count=1 "$@" "${packages[@]}"
