#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that limpet is built, tested or checked with; only those that are missing, and quietly.
#
#   scripts/install-packages.sh GROUP…      groups: build test check fuzz bench
#
# Starts no service: while apt runs, a temporary policy-rc.d forbids it (unless the machine has one of its own).
set -euo pipefail

# A package, or package:command where any provider of that command will do.
build_packages=(g++ cmake ninja-build ccache pkg-config libevent-dev libssl-dev prometheus-cpp-dev libtomlplusplus-dev
  libboost-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libxxhash-dev liburing-dev)
test_packages=(libboost-test-dev zlib1g-dev nodejs:node npm:npm chromium:chromium curl:curl prometheus:prometheus)
check_packages=(clang-format:clang-format clang-tidy:clang-tidy python3:python3)
fuzz_packages=(clang libclang-rt-14-dev llvm-14 libboost-test-dev)
bench_packages=(haproxy nginx-light:nginx)

wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=("${build_packages[@]}") ;;
    test) wanted+=("${test_packages[@]}") ;;
    check) wanted+=("${check_packages[@]}") ;;
    fuzz) wanted+=("${fuzz_packages[@]}") ;;
    bench) wanted+=("${bench_packages[@]}") ;;
    *)
      echo "install-packages: unknown group '$group'; there are: build test check fuzz bench" >&2
      exit 64
      ;;
  esac
done

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-packages: this is not Debian, so nothing was installed; limpet needs the equivalents of: ${wanted[*]%%:*}" >&2
  exit 0
fi

missing=()
for entry in "${wanted[@]}"; do
  package=${entry%%:*}
  if [[ $entry == *:* ]] && command -v "${entry#*:}" >/dev/null; then continue; fi
  is_installed "$package" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install-packages: these packages are missing, and neither root nor sudo is at hand to install them:" >&2
    echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 77
  fi
  as_root=(sudo)
fi

policy=/usr/sbin/policy-rc.d
log=$(mktemp)
made_policy=false
cleanup() {
  rm -f "$log"
  if $made_policy; then "${as_root[@]}" rm -f "$policy"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  made_policy=true
  "${as_root[@]}" chmod 755 "$policy"
fi

echo "installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
# A repository that has nothing to do with these packages may be out of reach: what matters is whether the install works.
"${apt[@]}" update >"$log" 2>&1 || true
if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "install-packages: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
