# One place for people and CI to build, test and measure keyfob. What it installs stays under build/.

# In CI a tool that is missing is a failure; for a person it is a skip that is said and counted.
ifeq ($(CI),true)
export KEYFOB_REQUIRE_TOOLS = 1
endif

# One more than there are cores: some tests wait for minutes.
TEST_THREADS := $(shell echo $$(( $$(nproc) + 1 )))

CARGO_DENY = 0.20.2
CARGO_DEB = 3.8.0
DENY := $(shell cargo deny --version 2>/dev/null | grep -qx 'cargo-deny $(CARGO_DENY)' && echo cargo deny || echo build/tools/bin/cargo-deny)

.DEFAULT_GOAL := help
.PHONY: help build release packages demo clients tools test kube parity fmt lint deny no-ring bench

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build for development: target/debug/keyfob
	cargo build --locked

release: ## Build for use: target/release/keyfob
	cargo build --locked --release

packages: release build/tools/cargo-deb-$(CARGO_DEB) ## A Debian package and a tarball, in build/packages
	cargo build --locked --example manual
	deploy/package

demo: release ## The whole job on a built-in fake AWS; touches nothing of yours
	target/release/keyfob demo

clients: ## Install the SDKs that the tests use, under build/
	@tests/sdk/setup

tools: ## Build what the tests run keyfob against and no package has, under build/tools
	@tests/tools/setup

test: clients tools build/tools/cargo-deb-$(CARGO_DEB) ## Install what the tests need, then run them all
	@mkdir -p build && rm -f build/skipped
	KEYFOB_SKIPPED=$(CURDIR)/build/skipped RUST_TEST_THREADS=$(TEST_THREADS) cargo test --locked
	@if [ -s build/skipped ]; then printf '\n%s SKIPPED for want of a tool:\n' "$$(wc -l < build/skipped)"; sort build/skipped | uniq -c; fi >&2

kube: export KEYFOB_KUBE = both
kube: tools ## The charts on both versions of Kubernetes; what passes is put on record
	cargo test --locked --test main -- kube:: helm::
	tests/kube/fingerprint --record

parity: clients ## Compare with botocore alone; ONLY=text: situations of that name, with all that was seen; N=5000 SEED=7: so many by chance
	KEYFOB_PARITY='$(ONLY)' KEYFOB_PARITY_N='$(N)' KEYFOB_PARITY_SEED='$(SEED)' cargo test --locked --test main parity:: -- --nocapture

fmt: ## Format the sources
	cargo fmt

lint: ## Formatting, clippy and documentation, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

deny: $(filter build/%,$(DENY)) no-ring ## Licences, banned crates and sources; advisories as a report
	$(DENY) --locked --config .deny.toml check licenses bans sources
	@timeout 120 $(DENY) --locked --config .deny.toml check advisories > build/advisories.txt 2>&1 \
		&& echo 'advisories: none' \
		|| echo 'advisories: a report only, see build/advisories.txt'

# A first question that must have an answer shows that silence to the second one means something.
no-ring:
	@cargo tree --locked --target all --edges all --invert rustls | grep -q . || { echo 'cargo tree does not answer' >&2; exit 1; }
	@! cargo tree --locked --target all --edges all --invert ring 2>/dev/null | grep . || { echo 'a second crypto library: ring' >&2; exit 1; }
	@echo 'ring: not in the tree'

build/tools/bin/cargo-deny:
	cargo install cargo-deny --version $(CARGO_DENY) --locked --root build/tools

# A stamp with the version in its name: another version is another program. It packs as well without being optimised.
build/tools/cargo-deb-$(CARGO_DEB):
	cargo install cargo-deb --version $(CARGO_DEB) --locked --debug --no-default-features --root build/tools
	@touch $@

bench: release ## Measure the release binary, nginx beside it (needs wrk, nginx, valgrind)
	@mkdir -p build
	cargo build --locked --release --example serve-untold
	cargo bench --locked --profile dev --bench serve | tee build/bench.md
