#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of a build for a while, two at a time, and prints one line for each. What a target finds new is kept
# in BUILD/corpus/TARGET for the next run; tests/fuzz/corpus/TARGET, where there is one, is read as well. Fails if any failed.
#
#   scripts/fuzz.sh BUILD [SECONDS]
set -euo pipefail
build=${1:?usage: scripts/fuzz.sh BUILD [SECONDS]}
seconds=${2:-60}
here=$(cd "$(dirname "$0")/.." && pwd)

run_one() {
  local target=$1 name log corpus
  name=$(basename "$target")
  log=$build/fuzz-$name.log
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  local dirs=("$corpus")
  if [[ -d $here/tests/fuzz/corpus/$name ]]; then dirs+=("$here/tests/fuzz/corpus/$name"); fi
  if "$target" -max_total_time="$seconds" -max_len=70000 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$build/$name-" "${dirs[@]}" >"$log" 2>&1; then
    printf 'ok      %-28s %12s runs, %s inputs kept\n' "$name" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(find "$corpus" -type f | wc -l)"
  else
    printf 'FAILED  %-28s see %s\n' "$name" "$log"
    grep -E 'ERROR|SUMMARY|Test unit written' "$log" | head -5
    return 1
  fi
}
export -f run_one
export build seconds here

mapfile -t targets < <(find "$build" -maxdepth 3 -type f -name '*_fuzz' -perm -u+x | sort)
if [[ ${#targets[@]} -eq 0 ]]; then
  echo "fuzz: no targets in $build" >&2
  exit 1
fi
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P 2 bash -c 'run_one "$1"' _
