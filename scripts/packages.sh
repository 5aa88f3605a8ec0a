# shellcheck shell=bash
# To be sourced: installing packages of the operating system's distribution.

# as_root runs a command as root: directly, or by a sudo that asks nothing. It fails when neither is possible.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 1
  fi
}

# install_package <command> <apt> <apk> <dnf> <brew>: makes the command available from the package with that name in the
# package manager at hand. Output goes to standard error. It fails when there is no way to install without a person.
install_package() {
  local command=$1 apt=$2 apk=$3 dnf=$4 brew=$5
  {
    if command -v apt-get >/dev/null; then
      as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$apt"
    elif command -v apk >/dev/null; then
      as_root apk add --no-cache --quiet "$apk"
    elif command -v dnf >/dev/null; then
      as_root dnf install -y -q "$dnf"
    elif command -v brew >/dev/null; then
      brew install --quiet "$brew"
    fi
  } </dev/null >&2 || return 1
  command -v "$command" >/dev/null
}
