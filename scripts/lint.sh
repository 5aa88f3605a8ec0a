#!/usr/bin/env bash
# Runs the linters: Go in each module, protobuf, shell scripts, workflows. All of them run; it fails if one of them found something.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/packages.sh
scripts/tools.sh golangci-lint buf actionlint
PATH=${TOOLS_DIR:-$PWD/.tools}/bin:$PATH

status=0
for module in proto libs services; do
  # A module without packages yet is no finding.
  if [[ -n $(cd "$module" && go list ./... 2>/dev/null) ]]; then
    (cd "$module" && golangci-lint run ./...) || status=1
  fi
done
# Code behind this tag is part of no other build.
(cd libs && golangci-lint run --build-tags failpoint ./failpoint/...) || status=1

buf lint proto || status=1
buf format --diff --exit-code proto || status=1

if ! command -v shellcheck >/dev/null && [[ ${CI:-} == true ]]; then
  install_package shellcheck shellcheck shellcheck ShellCheck shellcheck || true
fi
if command -v shellcheck >/dev/null; then
  shellcheck -x -P SCRIPTDIR .ci/run scripts/*.sh || status=1
else
  echo "shellcheck is not installed: shell scripts were not checked" >&2
fi
# It hands the scripts in them to shellcheck, if that is there.
actionlint || status=1
exit "$status"
