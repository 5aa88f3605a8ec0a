#!/usr/bin/env bash
# Looks for known vulnerabilities in what our code calls, by govulncheck. Its database is on the internet: without it nothing
# can be said, and the exit code is 75, or 1 if VULNERABILITIES=required.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh govulncheck
PATH=${TOOLS_DIR:-$PWD/.tools}/bin:$PATH

# A small package first: govulncheck reads all code before it asks the database.
status=0
answer=$(cd services && govulncheck ./licences/cmd/licences 2>&1) || status=$?
if [[ $status != 0 && $answer == *'fetching vulnerabilities'* ]]; then
  echo "NOT CHECKED for vulnerabilities: ${answer##*fetching vulnerabilities: }" >&2
  if [[ ${VULNERABILITIES:-} == required ]]; then
    exit 1
  fi
  exit 75
fi

status=0
for module in proto libs services; do
  (cd "$module" && govulncheck ./...) || status=1
done
exit "$status"
