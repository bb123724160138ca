#!/usr/bin/env bash
# LLVM's fuzzer on the targets of tests/fuzz: guided.sh SECONDS [TARGET…], so many seconds for each, all without a name. What
# reaches new code is kept below target/fuzz/corpus, so that the next run goes on from there; what fails, below
# target/fuzz/found.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?how many seconds for each target}
shift
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/.*Target { name: "\([^"]*\)".*/\1/p' tests/fuzz/targets.rs)

dir=${CARGO_TARGET_DIR:-target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# Counters for each edge and for what is compared, as cargo-fuzz sets them. `forbid(unsafe_code)` holds for clade; the fuzzer's
# entry is a C function, so that it is a warning here.
export RUSTFLAGS="--cfg fuzzing --cap-lints warn -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# For a named target, so that what runs while building has no counters in it.
cargo build --locked --target "$host" --target-dir "$dir" --example fuzz-guided
program=$dir/$host/debug/examples/fuzz-guided

failed=()
for target in "${targets[@]}"; do
  mkdir -p "$dir/found/$target"
  echo "fuzzing $target for $seconds s" >&2
  CLADE_FUZZ=$target CLADE_FUZZ_CORPUS=$dir/corpus/$target "$program" "$dir/corpus/$target" \
    -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$dir/found/$target/" >"$dir/$target.log" 2>&1 || failed+=("$target")
  grep -E 'stat::number_of_executed_units|stat::new_units_added' "$dir/$target.log" >&2 || true
done
[ ${#failed[@]} -eq 0 ] && exit
for target in "${failed[@]}"; do
  echo "$target failed: see $dir/$target.log; its input is in $dir/found/$target" >&2
  tail -n 5 "$dir/$target.log" >&2
done
exit 1
