#!/usr/bin/env bash
# Installs what a part of the project needs, and says so. A second call finds all of it and
# installs nothing.
#   .ci/setup.sh build          compilers, libraries, node
#   .ci/setup.sh test           that, and what the tests use
#   .ci/setup.sh lint|bench|fuzz|package|chroot
#   .ci/setup.sh ci             lint, and programs that some tests speak with; they come with services
#                               (a web server) or are large (go), so they are not put on a developer's
#                               own machine
set -euo pipefail
cd "$(dirname "$0")/.."

build=(gcc g++ make cmake ninja-build pkg-config git ca-certificates
       libcivetweb-dev libwebsockets-dev libssl-dev libsqlite3-dev libcjson-dev
       libcurl4-openssl-dev libzstd-dev zlib1g-dev liblz4-dev libcap-dev
       libdw-dev libelf-dev libiberty-dev
       clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32)
test=(libcriterion-dev libprotobuf-c-dev protobuf-c-compiler chromium python3 python3-venv curl
      procps iproute2 xz-utils)
lint=(clang-format-14 clang-tidy-14)
others=(nginx caddy openssl golang-go)
fuzz=(clang libclang-rt-14-dev)
bench=(python3-venv)
package=(dpkg-dev fakeroot file)
chroot=(dpkg-dev fakeroot file debootstrap)

what=${1:-build}
packages=("${build[@]}")
case $what in
    build) ;;
    test) packages+=("${test[@]}") ;;
    lint) packages+=("${test[@]}" "${lint[@]}") ;;
    ci) packages+=("${test[@]}" "${lint[@]}" "${others[@]}") ;;
    fuzz) packages+=("${test[@]}" "${fuzz[@]}") ;;
    bench) packages+=("${test[@]}" "${bench[@]}") ;;
    package) packages+=("${package[@]}") ;;
    chroot) packages+=("${chroot[@]}") ;;
    *) echo "usage: .ci/setup.sh build|test|lint|ci|fuzz|bench|package|chroot" >&2; exit 2 ;;
esac

# Any node from 18 up will do; Debian's own is asked for only when there is none.
node_major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p' || true)
if [ "${node_major:-0}" -lt 18 ] || ! command -v npm >/dev/null; then
    packages+=(nodejs npm)
fi

missing=()
if command -v dpkg-query >/dev/null; then
    for p in "${packages[@]}"; do
        dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
    done
else
    echo "heliograph: this is not a Debian system; make sure these are installed: ${packages[*]}" >&2
    exit 0
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=(sudo)
    else
        echo "heliograph: these packages are missing and I am neither root nor may use sudo:" >&2
        echo "    apt-get install ${missing[*]}" >&2
        echo "Install them (or ask who can), then call make again." >&2
        exit 3
    fi
fi
echo "heliograph: installing ${#missing[@]} packages for '$what': ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # services that come along are not started
# A list of packages that is older than a day, or none, is fetched anew.
if [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null | head -1)" ]; then
    echo "heliograph: apt-get update"
    "${as_root[@]}" apt-get update -qq
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A line now and then, so that minutes of download do not look like a hang.
progress() {
    awk '
        /newly installed/ { total = $3 }
        /^Need to get/ { sub(/ of archives.*/, ""); sub(/^Need to get /, ""); say("fetching " $0) }
        /^Unpacking / { if (++unpacked % 50 == 0) say("unpacked " unpacked " of " total) }
        /^Setting up / { if (++set % 50 == 0) say("set up " set " of " total) }
        function say(what) { print "heliograph: " what; fflush() }'
}
install_missing() {
    "${as_root[@]}" apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" 2>&1 \
        < /dev/null | tee "$log" | progress
}
install_missing || {
    echo "heliograph: once more, with fresh package lists"
    "${as_root[@]}" apt-get update -qq
    install_missing || {
        tail -20 "$log" >&2
        echo "heliograph: apt-get could not install them (its words are above)" >&2
        exit 2
    }
}
echo "heliograph: packages installed"
