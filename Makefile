# The few commands of this project. `make demo` and `make test` do all the set-up they need.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/clade
DENY_VERSION := 0.19.0
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

.PHONY: demo test lint deny bench-index tools

## Shows clade's main job on a made-up registry.
demo: tools
	cargo run --release --quiet --locked -- demo

## Everything that must pass: format, lints, licences, tests.
test: lint deny
	cargo test --locked

## Format and lints.
lint: tools
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

## Licences and sources of what is built in.
deny: $(DENY)
	$(DENY) --log-level error check bans licenses sources

## The chain index beside other designs.
bench-index: tools
	cargo bench --locked --bench index

# Built once and kept outside the checkout.
$(DENY): | tools
	cargo install --quiet --locked --version $(DENY_VERSION) --root $(CACHE)/cargo-deny-$(DENY_VERSION) cargo-deny

tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup (https://rustup.rs)"; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler, as build-essential of Debian"; exit 1; }
