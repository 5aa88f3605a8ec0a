#!/usr/bin/env bash
# Runs the tests of all modules. Usage: scripts/test.sh [flags of go test]
# PKG narrows to packages; go test's own output is the only output of a good run. Everything that the tests print, also what
# is not shown because they pass, is searched for personal data and secrets; see libs/canary.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/ensure-redis.sh
scripts/ensure-prometheus.sh
PATH=${TOOLS_DIR:-$PWD/.tools}/bin:$PATH

# The servers are there now, so a test that does not find one has to fail instead of being skipped.
export CI=true

race=(-race)
cc=$(go env CC)
if [[ $(go env CGO_ENABLED) != 1 ]] || ! command -v "${cc%% *}" >/dev/null; then
  echo "no C compiler: testing without the race detector" >&2
  race=()
fi

sift=()
for flag in "$@"; do
  case $flag in
    # With these, go test shows what passes as well.
    -v | -v=* | -bench | -bench=* | -list | -list=*) sift=(-v) ;;
  esac
done

read -ra packages <<<"${PKG:-work}"
# A package's limit is for what hangs: the processes of services/e2e take most of ten minutes, the default, on two busy cores.
set +e
go test -json ${race[@]+"${race[@]}"} -shuffle=on -count=1 -timeout=30m "$@" "${packages[@]}" |
  go run ./services/e2e/cmd/sift ${sift[@]+"${sift[@]}"}
codes=("${PIPESTATUS[@]}")
exit "$((codes[0] ? codes[0] : codes[1]))"
