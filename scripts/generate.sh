#!/usr/bin/env bash
# Writes everything that is generated: Go code from proto/, docs/configuration.md from the config structs, and
# docs/profile.schema.json from the profile format. docs/licences.md, from the modules; fails for a licence that is not accepted.
# What KEDA asks for, from the sources of an overlay.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh buf protoc-gen-go
PATH=${TOOLS_DIR:-$PWD/.tools}/bin:$PATH

(cd proto && buf lint && rm -rf gen && buf generate)

# By way of a temporary file: a command that fails must not leave an empty page.
page=$(mktemp)
trap 'rm -f "$page"' EXIT
go run ./services/bridge/cmd/bridge config docs >"$page"
mkdir -p docs
cat "$page" >docs/configuration.md
go run ./services/bridge/cmd/bridge profile schema >"$page"
cat "$page" >docs/profile.schema.json
go run ./services/licences/cmd/licences ./services/*/cmd/* >"$page"
cat "$page" >docs/licences.md
go run ./services/manifests/cmd/manifests deploy/k8s/overlays/prod
