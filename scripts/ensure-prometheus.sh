#!/usr/bin/env bash
# Makes sure that prometheus and promtool are in PATH or in .tools/bin: tests start a server of their own on a free port, and test
# alert rules. On Debian their binaries are taken out of the package, whose installation would start a service. Starts nothing.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
tools=${TOOLS_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.tools}/bin
PATH=$tools:$PATH

have_both() { command -v prometheus >/dev/null && command -v promtool >/dev/null; }

# from_deb unpacks the two commands to $tools.
from_deb() (
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  cd "$work"
  as_root apt-get update -qq || true # The lists may be fresh, and only root may fetch new ones.
  apt-get download -qq prometheus && dpkg -x prometheus_*.deb . || return 1
  mkdir -p "$tools"
  install -m 755 usr/bin/prometheus usr/bin/promtool "$tools/"
) >&2

if have_both; then
  exit 0
fi
echo "prometheus is missing, fetching it" >&2
if from_deb || install_package prometheus prometheus prometheus prometheus prometheus; then
  if have_both; then
    exit 0
  fi
fi
cat >&2 <<'TXT'
prometheus and promtool are missing and cannot be had from here. Tests of dashboards and alert rules need them in PATH:
  Debian, Ubuntu  sudo apt-get install prometheus
  Alpine          sudo apk add prometheus
  macOS           brew install prometheus
  all others      https://prometheus.io/download
TXT
exit 1
