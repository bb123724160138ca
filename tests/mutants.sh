#!/usr/bin/env bash
# Changes the code in many small ways, one at a time, and looks whether a test notices: mutants.sh CARGO-MUTANTS [OPTION…].
# What no test has noticed stands in target/mutants/mutants.out/missed.txt.
#
# Each change is built and tested. So that this takes seconds, only those modules are built that need no server, no registry and
# no shell, without optimisation, with the tests that run on the log in memory. They are copied to target/mutants/core.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=(oci record class declare observe index plan shard retry log snapshot telemetry view processor publisher query)
tests=(convergence domain history index listing oracle processor simulation support view)

dir=${CARGO_TARGET_DIR:-target}
dir=$(mkdir -p "$dir/mutants" && cd "$dir/mutants" && pwd)
core=$dir/core
rm -rf "$core"
mkdir -p "$core/src" "$core/tests/it"
cp Cargo.lock rust-toolchain.toml "$core"
# Without benchmarks and examples: they are the last sections.
sed '/^\[\[/,$d' Cargo.toml >"$core/Cargo.toml"
for module in "${modules[@]}"; do
  cp -r "src/$module" "$core/src"
  echo "pub mod $module;"
done >"$core/src/lib.rs"
rm -r "$core/src/log/kafka" "$core/src/log/embedded"
sed -i '/^pub mod \(kafka\|embedded\);$/d' "$core/src/log/mod.rs"
for test in "${tests[@]}"; do
  cp "tests/it/$test.rs" "$core/tests/it"
  echo "mod $test;"
done >"$core/tests/it/main.rs"

export CARGO_TARGET_DIR=$dir CARGO_PROFILE_DEV_OPT_LEVEL=0 CLADE_SIM_HISTORIES=${CLADE_SIM_HISTORIES:-25}
"$1" mutants --dir "$core" --config .cargo/mutants.toml --in-place --output "$dir" "${@:2}"
