#!/usr/bin/env bash
# Changes the code in many small ways, one at a time, and looks whether a test notices: mutants.sh CARGO-MUTANTS [OPTION…].
# What no test has noticed stands in target/mutants/mutants.out/missed.txt.
#
# Each change is built and tested. So that this takes seconds, only those modules are built that need no server, no registry and
# no shell, without optimisation, together with the tests that run on the log in memory: one crate, which is compiled once for
# each change. It is made in target/mutants/core.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=(oci record class declare observe index plan shard retry log snapshot telemetry view processor publisher query)
tests=(classes convergence domain history index listing oracle processor simulation support view)
# No mutant can change what these test.
skipped=(view::model telemetry:: retry:: record:: query::names)
# These take longest, and seldom find what the others do not.
slow=(seventy_thousand_sets tags_beyond_all_measure a_conclusion_that_no_log_takes)

dir=${CARGO_TARGET_DIR:-target}
dir=$(mkdir -p "$dir/mutants" && cd "$dir/mutants" && pwd)
core=$dir/core
rm -rf "$core"
mkdir -p "$core/src/it"
cp Cargo.lock rust-toolchain.toml "$core"
# Without benchmarks and examples: they are the last sections. The crate is its own `clade`, so it needs no other.
sed '/^\[\[/,$d; /^clade = /d' Cargo.toml >"$core/Cargo.toml"
printf '[lib]\ndoctest = false\n' >>"$core/Cargo.toml"
{
  echo "extern crate self as clade;"
  for module in "${modules[@]}"; do
    cp -r "src/$module"* "$core/src"
    echo "pub mod $module;"
  done
  echo "#[cfg(test)] mod it;"
} >"$core/src/lib.rs"
rm -r "$core/src/log/kafka" "$core/src/log/embedded"
sed -i '/^pub mod \(kafka\|embedded\);$/d' "$core/src/log/mod.rs"
for test in "${tests[@]}"; do
  sed 's/\bcrate::/crate::it::/g' "tests/it/$test.rs" >"$core/src/it/$test.rs"
  echo "mod $test;"
done >"$core/src/it/mod.rs"

export CARGO_TARGET_DIR=$dir CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=0

# Exit codes 2 and 3 say that tests missed changes, or did not end: the second look decides.
first_look() {
  local code=0
  "${cargo_mutants[@]}" "$@" || code=$?
  [ $code -eq 0 ] || [ $code -eq 2 ] || [ $code -eq 3 ]
}
cargo_mutants=("$1" mutants --dir "$core" --config .cargo/mutants.toml --in-place --output "$dir" --features internals
  --iterate "${@:2}")
# First few random cases of each test, then all of them for what was not noticed.
PROPTEST_CASES=12 CLADE_SIM_HISTORIES=4 first_look -- -- "${skipped[@]/#/--skip=}" "${slow[@]/#/--skip=}"
# The last word is cargo-mutants': the script fails if tests miss something.
CLADE_SIM_HISTORIES=25 "${cargo_mutants[@]}" -- -- "${skipped[@]/#/--skip=}"
