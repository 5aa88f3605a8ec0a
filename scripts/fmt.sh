#!/usr/bin/env bash
# Formats Go code (gofumpt and gci, as .golangci.yml sets them) and protobuf files.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh golangci-lint buf
PATH=${TOOLS_DIR:-$PWD/.tools}/bin:$PATH

golangci-lint fmt
buf format -w proto
