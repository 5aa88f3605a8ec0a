#!/usr/bin/env bash
# Tidies the modules and the workspace. The modules find each other by replace directives, as tidy ignores go.work.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# In the order of their dependence on each other.
tidy_modules() {
  local module
  for module in proto libs services; do
    (cd "$module" && go mod tidy)
  done
}

tidy_modules
go work sync
# The workspace raises versions that only one module asked for; what that made superfluous goes.
tidy_modules
