#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the npm packages of a directory (tests/e2e/node by default) where they are missing or older than its lists.
#
#   scripts/install-npm.sh [DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
cd "${1:-tests/e2e/node}" 2>/dev/null || exit 0
[[ -f package.json ]] || exit 0

stamp=node_modules/.limpet-installed
lists=(package.json)
if [[ -f package-lock.json ]]; then lists+=(package-lock.json); fi
fresh=true
for list in "${lists[@]}"; do
  if [[ ! -f $stamp || $list -nt $stamp ]]; then fresh=false; fi
done
if $fresh; then exit 0; fi

command -v npm >/dev/null || { echo "install-npm: npm is missing (scripts/install-packages.sh test)" >&2; exit 69; }
echo "installing npm packages in ${PWD##*/}"
if [[ -f package-lock.json ]]; then
  npm ci --no-audit --no-fund --loglevel=error
else
  npm install --no-audit --no-fund --no-save --loglevel=error
fi
mkdir -p node_modules
touch "$stamp"
