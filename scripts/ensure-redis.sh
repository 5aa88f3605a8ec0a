#!/usr/bin/env bash
# Makes sure that redis-server is installed: the tests start servers of their own on free sockets. Starts nothing.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

if command -v redis-server >/dev/null; then
  exit 0
fi
echo "redis-server is missing, installing it" >&2
if install_package redis-server redis-server redis redis redis; then
  exit 0
fi
cat >&2 <<'TXT'
redis-server is missing and cannot be installed from here. The tests need a real Redis (6.2 or newer) in PATH:
  Debian, Ubuntu  sudo apt-get install redis-server
  Alpine          sudo apk add redis
  Fedora          sudo dnf install redis   (or valkey-compat-redis)
  macOS           brew install redis
TXT
exit 1
