# The few commands of this project. `make demo` and `make test` do all the set-up they need.

.PHONY: demo test lint bench-index

## Shows clade's main job on a generated registry.
demo: tools
	cargo run --release --quiet -- demo

## Everything that must pass: format, lints, tests.
test: tools lint
	cargo test --all-targets

## Format and lints.
lint: tools
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

## The chain index against the proposal's maps.
bench-index: tools
	cargo bench --bench index

.PHONY: tools
tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup (https://rustup.rs)"; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler, as build-essential of Debian"; exit 1; }
