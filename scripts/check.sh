#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that can be checked without running limpet: licence lines, shell syntax, format, floors, names, clang-tidy. Goes
# through all of them and fails at the end if any failed.
#
#   scripts/check.sh BUILD        BUILD has a compile_commands.json
set -euo pipefail
build=${1:?usage: scripts/check.sh BUILD}
cd "$(dirname "$0")/.."
failed=0

mapfile -t cpp < <(find balancer metrics proxy tests -name node_modules -prune -o \( -name '*.cpp' -o -name '*.h' \) -print | sort)
mapfile -t scripts < <(grep -rlE '^#!.*\bpython3' scripts tests --exclude-dir=node_modules 2>/dev/null | sort)
mapfile -t shell < <(grep -rlE --include='*' '^#!.*\bbash' scripts .ci conf tests --exclude-dir=node_modules 2>/dev/null | sort)
mapfile -t others < <(find CMakeLists.txt Makefile scripts .ci conf tests balancer metrics proxy -name node_modules -prune -o -type f \
  \( -name CMakeLists.txt -o -name '*.py' -o -name '*.js' -o -name '*.mjs' -o -name '*.cjs' -o -name Makefile \) -print | sort)

step() { # name, command…: one line, and what the command said where it failed
  local name=$1 began=$SECONDS output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok      %-8s %4d s\n' "$name" $((SECONDS - began))
  else
    printf 'FAILED  %-8s %4d s\n%s\n' "$name" $((SECONDS - began)) "$output"
    failed=1
  fi
}

licence_lines() {
  awk 'FNR > 2 { nextfile }
    /SPDX-License-Identifier: Apache-2.0/ { has[FILENAME] = 1 }
    END {
      for (i = 1; i < ARGC; i++)
        if (!(ARGV[i] in has)) { print ARGV[i] ": does not begin with SPDX-License-Identifier: Apache-2.0"; bad = 1 }
      exit bad
    }' "${cpp[@]}" "${shell[@]}" "${scripts[@]}" "${others[@]}"
}

shell_syntax() {
  local bad=0 file
  for file in "${shell[@]}"; do bash -n "$file" || bad=1; done
  return "$bad"
}

format() { printf '%s\0' "${cpp[@]}" | xargs -0 -n 40 -P 2 clang-format --dry-run -Werror; }

# Which checks: .clang-tidy. The code that is shipped only: tests repeat themselves on purpose.
tidy() {
  find balancer metrics proxy -name '*.cpp' -print0 | sort -z |
    xargs -0 -n 1 -P 2 clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option --warnings-as-errors='*' 2>&1 |
    { grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter|^$' || true; }
}

step licence licence_lines
step shell shell_syntax
step format format
step floors scripts/check-floors
step names scripts/check-names
step tidy tidy
exit "$failed"
