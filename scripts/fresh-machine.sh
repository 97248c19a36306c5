#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tries the first two commands of the README on a bare Debian 12: a tree made by debootstrap with nothing but ca-certificates,
# make and git in it, a clone of this repository's HEAD, then `make test`, then `make run` until the demo answers.
#
#   sudo scripts/fresh-machine.sh [--keep] [DIR]
#
#   DIR       where the tree goes (default: a new directory under /var/tmp); about 3 GB
#   --keep    leave the tree there; by default it is removed if everything worked
#
#   LIMPET_FRESH_STEPS="packages test run"    which steps to do after the tree is there; "packages" only installs them
#
# Needs root and debootstrap. Copies this machine's Debian mirror, apt configuration, certificate authorities and npm
# configuration into the tree. It shares the machine's network, so nothing may listen on the demo's ports (8080, 9901).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
keep=false
if [[ ${1:-} == --keep ]]; then
  keep=true
  shift
fi
steps=" ${LIMPET_FRESH_STEPS:-test run} "
[[ $(id -u) -eq 0 ]] || { echo "fresh-machine: must be root" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "fresh-machine: apt-get install debootstrap" >&2; exit 69; }

tree=${1:-$(mktemp -d /var/tmp/limpet-fresh.XXXXXX)}
mkdir -p "$tree"
tree=$(cd "$tree" && pwd)
demo=
succeeded=false

cleanup() {
  trap - EXIT INT TERM
  if [[ -n $demo ]] && kill -0 "$demo" 2>/dev/null; then
    kill -TERM -- "-$demo" 2>/dev/null || true
    wait "$demo" 2>/dev/null || true
  fi
  local mounted clean=true
  for mounted in dev/pts dev proc; do
    if mountpoint -q "$tree/$mounted" && ! umount "$tree/$mounted" && ! umount -l "$tree/$mounted"; then clean=false; fi
  done
  # Never remove a tree that still has the machine's /dev in it.
  if $succeeded && ! $keep && $clean; then rm -rf --one-file-system "$tree"; else echo "fresh-machine: the tree is $tree"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n=== %s (%d s so far)\n' "$*" "$SECONDS"; }

mirror() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -oE '^(URIs: *|deb +(\[[^]]*\] +)?)https?://[^ ]+/debian/?( |$)' | grep -oE 'https?://[^ ]+' | head -n 1)
  echo "${found:-http://deb.debian.org/debian}"
}

say "debootstrap from $(mirror)"
if [[ ! -x $tree/usr/bin/git ]]; then
  debootstrap --variant=minbase --include=ca-certificates,make,git bookworm "$tree" "$(mirror)" >"$tree.log" 2>&1 ||
    { tail -n 20 "$tree.log" >&2; exit 1; }
  rm -f "$tree.log"
fi

cp /etc/resolv.conf "$tree/etc/resolv.conf"
cp /etc/hosts "$tree/etc/hosts"
# The mirror's suites, security and updates included; other repositories of this machine stay out.
{
  echo "deb $(mirror) bookworm main"
  echo "deb $(mirror) bookworm-updates main"
  echo "deb $(mirror | sed 's|/debian/*$|/debian-security|') bookworm-security main"
} >"$tree/etc/apt/sources.list"
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  # What calls programs that a bare tree lacks stays out.
  if [[ -f $file ]] && grep -qE 'Acquire|Proxy' "$file" && ! grep -qE 'Invoke' "$file"; then
    cp "$file" "$tree/etc/apt/apt.conf.d/"
  fi
done
if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
  cp /usr/local/share/ca-certificates/*.crt "$tree/usr/local/share/ca-certificates/"
  chroot "$tree" update-ca-certificates >/dev/null 2>&1
fi
for file in /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc "${HOME:-/root}/.npmrc"; do
  if [[ -f $file ]]; then cat "$file"; echo; fi
done >"$tree/root/.npmrc"

mountpoint -q "$tree/proc" || mount -t proc proc "$tree/proc"
mountpoint -q "$tree/dev" || mount --bind /dev "$tree/dev"
if [[ -d /dev/pts ]]; then mountpoint -q "$tree/dev/pts" || mount --bind /dev/pts "$tree/dev/pts"; fi

rm -rf "$tree/root/limpet"
git clone --quiet --no-hardlinks "$here" "$tree/root/limpet"

inside=(env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LC_ALL=C.UTF-8)
if [[ -f $tree/etc/ssl/certs/ca-certificates.crt ]]; then
  inside+=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
fi
in_tree() { "${inside[@]}" chroot "$tree" /bin/bash -c "cd /root/limpet && $1"; }

if [[ $steps == *" packages "* ]]; then
  say "scripts/install-packages.sh build test"
  in_tree 'scripts/install-packages.sh build test && scripts/install-npm.sh'
fi

if [[ $steps == *" test "* ]]; then
  say "make test"
  in_tree 'make test'
fi

if [[ $steps == *" run "* ]]; then
  say "make run"
  # A process group of its own, so that make and the demo end together.
  set -m
  in_tree 'exec make run' &
  demo=$!
  set +m
  for ((i = 0; i < 600; i++)); do
    kill -0 "$demo" 2>/dev/null || { echo "fresh-machine: make run ended" >&2; exit 1; }
    if answer=$(exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && head -n 1 <&3) 2>/dev/null &&
      [[ $answer == HTTP/1.1\ 200* ]]; then
      break
    fi
    sleep 1
  done
  [[ ${answer:-} == HTTP/1.1\ 200* ]] || { echo "fresh-machine: the demo did not answer" >&2; exit 1; }
  echo "the demo answers: ${answer%$'\r'}"
fi

succeeded=true
say "a bare machine can do it"
