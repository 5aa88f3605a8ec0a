#!/usr/bin/env bash
# Builds the named tools in their pinned versions to .tools/bin, unless they are there already.
# Usage: scripts/tools.sh <tool>...
#
# This file is the only place of the tools' versions. TOOLS_DIR names another directory than .tools.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=${TOOLS_DIR:-$root/.tools}
go_version=$(go env GOVERSION)

for name in "$@"; do
  case $name in
    golangci-lint) package=github.com/golangci/golangci-lint/v2/cmd/golangci-lint version=v2.15.0 ;;
    buf) package=github.com/bufbuild/buf/cmd/buf version=v1.75.0 ;;
    protoc-gen-go) package=google.golang.org/protobuf/cmd/protoc-gen-go version=v1.36.12 ;;
    ko) package=github.com/google/ko version=v0.19.1 ;;
    actionlint) package=github.com/rhysd/actionlint/cmd/actionlint version=v1.7.12 ;;
    govulncheck) package=golang.org/x/vuln/cmd/govulncheck version=v1.9.0 ;;
    *)
      echo "tools.sh: no version is pinned for '$name'" >&2
      exit 1
      ;;
  esac

  # The Go version is part of the stamp: a golangci-lint built by an older Go refuses newer code.
  stamp=$tools/$name.version wanted="$version $go_version"
  if [[ -x $tools/bin/$name && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    continue
  fi
  echo "installing $name $version to ${tools#"$root"/}/bin" >&2
  mkdir -p "$tools/bin"
  rm -f "$stamp"
  GOWORK=off GOBIN=$tools/bin go install "$package@$version"
  echo "$wanted" >"$stamp"
done
