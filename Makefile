# The few commands of this project. `make demo` and `make test` do all the set-up they need.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/clade
DENY_VERSION := 0.19.0
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
MUTANTS_VERSION := 27.1.0
MUTANTS := $(CACHE)/cargo-mutants-$(MUTANTS_VERSION)/bin/cargo-mutants

# A real Apache Kafka for tests: kept in the cache, started for one run, stopped whatever comes of it.
WITH_KAFKA := tests/kafka/with-broker.sh
# The same of a Kubernetes API server and of a container registry.
WITH_KUBERNETES := tests/kubernetes/with-cluster.sh
WITH_REGISTRY := tests/registry/with-registry.sh
# And of a store for the audit trail.
WITH_S3 := tests/audit/with-s3.sh

.PHONY: demo demo-kafka check test soak fuzz mutants lint deny check-deploy screenshots faults bench-index bench-lookup bench-day-one bench-kafka bench-kubernetes bench-audit bench-registry bench-overload bench-page bench-query tools test-tools

## Shows clade's main job on a made-up registry.
demo: tools
	cargo build --release --locked
	cargo run --release --quiet --locked -- demo

## The same on a real Apache Kafka: topics, two processors, a read replica.
demo-kafka: tools
	cargo build --release --locked
	$(WITH_KAFKA) tests/kafka/demo.sh target/release/clade

## What needs nothing but Rust, for a look after each change: format, lints, and the tests of values, properties, simulated
## faults and short fuzzing.
check: lint
	cargo test --locked

## Everything that must pass: format, lints, licences, container files, tests, those on a real Apache Kafka, Kubernetes API
## server and container registries included.
test: test-tools lint deny check-deploy
	cargo test --locked --no-run
	$(WITH_KAFKA) $(WITH_KUBERNETES) $(WITH_REGISTRY) $(WITH_S3) \
		cargo test --locked -- --include-ignored --skip what_the_killed_process_does

## Hours of looking for what nobody has thought of, with a seed that can be run again: simulated histories, fuzzing by chance
## and guided by coverage, faults on a real Apache Kafka, a registry behind proxies that misbehave, mutants.
## make soak HISTORIES=100000 FUZZ_SECONDS=600 ROUNDS=1000 PROXY_SEEDS="11 21"
soak: test-tools
	CLADE_SIM_HISTORIES=$(or $(HISTORIES),100000) cargo test --release --locked --test it simulation -- --nocapture
	CLADE_KILLS=$(or $(KILLS),1000) cargo test --release --locked --test it kill::anywhere -- --nocapture
	CLADE_FUZZ_ROUNDS=$(or $(FUZZ_ROUNDS),2000) cargo test --locked --test fuzz -- --nocapture
	$(MAKE) fuzz
	$(MAKE) faults ROUNDS=$(or $(ROUNDS),1000)
	for seed in $(or $(PROXY_SEEDS),11 21 31 41 51); do \
		CLADE_PROXY_REQUESTS=10000 CLADE_PROXY_SEED=$$seed $(WITH_REGISTRY) \
			cargo test --locked --test it -- --include-ignored --nocapture registry::misbehaving || exit 1; \
	done
	$(MAKE) mutants

## LLVM's fuzzer on the decoders of foreign bytes: make fuzz FUZZ_SECONDS=60 ONLY="block apply"
fuzz: tools
	tests/fuzz/guided.sh $(or $(FUZZ_SECONDS),600) $(ONLY)

## Whether the tests notice changes of the code: make mutants SHARD=3/100 takes each hundredth change from the third on, and
## ONLY="-f 'src/index/*.rs'" those of one module. What no test has noticed stands in target/mutants/mutants.out/missed.txt.
mutants: $(MUTANTS)
	tests/mutants.sh $(MUTANTS) $(if $(SHARD),--shard $(SHARD)) $(ONLY)

## Kills, pauses and restarts at random under load on a real Apache Kafka: make faults SEED=1 ROUNDS=100
faults: tools
	cargo test --locked --no-run
	CLADE_FAULTS_SEED=$(or $(SEED),1) CLADE_FAULTS_ROUNDS=$(or $(ROUNDS),100) \
		cargo test --locked --test it faults:: -- --include-ignored --nocapture

## Format and lints.
lint: tools
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	# Without the feature that makes every module visible, the compiler sees what nobody uses.
	cargo clippy --locked -- -D warnings

## Licences and sources of what is built in.
deny: $(DENY)
	$(DENY) --log-level error check bans licenses sources

## docker-compose.yml and the Dockerfile, without a container engine.
check-deploy: test-tools
	tests/check-deploy.sh

## Pictures of every view of the page, on the demo's data, in target/pictures; the documents show one of them.
screenshots: test-tools
	mkdir -p target/pictures
	CLADE_PICTURES=$(CURDIR)/target/pictures cargo test --locked --test it -- --include-ignored programs::browser::the_page
	cp target/pictures/overview-light-1280.png docs/images/

## The chain index beside other designs.
bench-index: tools
	cargo bench --locked --bench index

## Look-ups of one image with 1, 16 and 256 partitions.
bench-lookup: tools
	cargo bench --locked --bench lookup

## Verdicts of the first day with a registry beside those of the whole history: make bench-day-one
bench-day-one: tools
	cargo bench --locked --bench day-one

## Clade on a real Apache Kafka beside bare clients: make bench-kafka ONLY="throughput latency restart class"
## A quick look: CLADE_BENCH_SCALE=0.05 CLADE_BENCH_ROUNDS=1 make bench-kafka
bench-kafka: tools
	cargo bench --locked --bench kafka --no-run
	$(WITH_KAFKA) cargo bench --locked --bench kafka -- $(ONLY)

## Labels, memory and admission on a real Kubernetes API server: make bench-kubernetes ONLY="labels memory admission"
bench-kubernetes: test-tools
	cargo bench --locked --bench kubernetes -- $(ONLY)

## The auditor beside writing the same bytes plainly: make bench-audit
bench-audit: tools
	cargo bench --locked --bench audit

## clade on a registry of 5,000 repositories and 200,000 tags that refuses some manifests and fails now and then, beside a bare
## client. A quick look: CLADE_BENCH_SCALE=0.05 CLADE_BENCH_SLICE=5 make bench-registry
bench-registry: tools
	cargo bench --locked --bench registry

## Questions to clade beside PostgreSQL and beside a graph built for each: make bench-query
## A quick look: CLADE_BENCH_IMAGES=50000 make bench-query
bench-query: tools
	cargo bench --locked --bench query

## clade with ten times its input, 1,000 followers, 300 readers that do not read and 2,000 idle connections at once, for ten
## minutes. A quick look: CLADE_BENCH_SECONDS=30 make bench-overload
bench-overload: tools
	cargo bench --locked --bench overload

## The page of a million images in Chromium: the times and bytes of each view, and the memory of a page that is followed for ten
## minutes. A quick look: CLADE_BENCH_IMAGES=50000 CLADE_BENCH_SECONDS=60 make bench-page
bench-page: test-tools
	cargo build --release --locked
	benches/page/measure.sh $(or $(CARGO_TARGET_DIR),target)/release/clade

# Built once and kept outside the checkout.
$(DENY): | tools
	cargo install --locked --version $(DENY_VERSION) --root $(CACHE)/cargo-deny-$(DENY_VERSION) cargo-deny

$(MUTANTS): | tools
	cargo install --locked --version $(MUTANTS_VERSION) --root $(CACHE)/cargo-mutants-$(MUTANTS_VERSION) cargo-mutants

tools:
	@tests/tools.sh build

test-tools:
	@tests/tools.sh test
