#!/usr/bin/env bash
# Builds the image of every command, inspects it, and runs the pipeline from the images. No container engine and no registry
# is needed. Usage: scripts/images.sh [flags], see -h.
#
# What is in tmp/images can be brought elsewhere as it is: "crane push tmp/images/enneo-bridge-ingestor <registry>/…", or
# "skopeo copy oci:tmp/images/enneo-bridge-ingestor …".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh ko
scripts/ensure-redis.sh
PATH=${TOOLS_DIR:-$PWD/.tools}/bin:$PATH
go run ./services/e2e/cmd/images "$@"
