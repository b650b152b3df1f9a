# shellcheck shell=bash
# Shared by the scripts of this folder: messages, apt packages by name, the cache folder, stage timing.
# Source it from bash with `set -euo pipefail`; it defines functions and `cache` only.

# Downloads and built environments, kept between runs; safe to delete whenever no script runs.
cache=${WGMESH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/wgmesh}

say() { printf '%s\n' "$*" >&2; }

die() { say "$(basename "$0"): $*"; exit 1; }

# seconds_since START: the time since START, a value of `now`, in seconds with one decimal.
now() { date +%s%N; }
seconds_since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Runs apt-get quietly. Its own error lines are shown on failure, without the archive's address.
apt_get() {
    local log status=0
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=300 "$@" \
        >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" != 0 ]; then
        sed -nE "s#https?://[^ ]*#(archive)#g; s#'[a-z0-9.-]+\\.[a-z]+'#(archive)#g; /^[EW]:/p" "$log" >&2
        say "apt-get $1 failed with status $status"
    fi
    rm -f "$log"
    return "$status"
}

# package_is_installed NAME: also true for a name that an installed package provides under that very name.
package_is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages NAME...: installs the Debian packages that are missing, and says which.
# The package lists are fetched only when something is missing. Recommended packages stay out: wireguard-tools
# recommends a kernel, and would replace the machine's.
install_packages() {
    local name missing=()
    command -v dpkg-query >/dev/null || die "needs a Debian system with: $*"
    for name in "$@"; do package_is_installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing Debian packages: ${missing[*]}"
    apt_get update || die "cannot fetch the package lists; install by hand: ${missing[*]}"
    apt_get install -y --no-install-recommends "${missing[@]}" || die "cannot install: ${missing[*]}"
}

# What `swift build` links against and generates from.
build_packages=(libmnl-dev libnl-3-dev libnl-genl-3-dev libsodium-dev libsqlite3-dev pkg-config zlib1g-dev)
# What scripts/vm boots.
vm_packages=(busybox-static cpio kmod qemu-system-x86)
# The independent witnesses that the end-to-end stages ask, and Python for the second implementation.
witness_packages=(
    fish iproute2 iputils-ping jq nftables openssl procps python3 python3-venv strace util-linux wireguard-tools xxd zsh
)

# This machine can run kernel tests itself: root, and its kernel has WireGuard.
has_native_wireguard() {
    [ "$(id -u)" = 0 ] || return 1
    modprobe -q wireguard 2>/dev/null  # absent module: the probe below gives the verdict
    unshare -n ip link add wgprobe type wireguard 2>/dev/null
}

# in_guest [OPTION of scripts/vm...] -- COMMAND...: natively where the kernel has WireGuard, else in the VM.
# WGMESH_GUEST=vm or =native decides by hand.
in_guest() {
    local how=${WGMESH_GUEST:-}
    if [ -z "$how" ]; then
        if has_native_wireguard; then how=native; else how=vm; fi
    fi
    case $how in
        native) "$(dirname "${BASH_SOURCE[0]}")/vm" --native "$@" ;;
        vm) "$(dirname "${BASH_SOURCE[0]}")/vm" "$@" ;;
        *) die "WGMESH_GUEST is '$how', expected vm or native" ;;
    esac
}
