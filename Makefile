# Builds, runs and checks everything. `make` alone lists the targets.

SHELL := /bin/bash
# Targets share what they install and build. Cargo builds in parallel by itself.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Where `make run` listens.
LISTEN ?= 127.0.0.1:8000
# The crypto provider under test: aws-lc-rs or ring.
PROVIDER ?= aws-lc-rs
ifeq ($(filter aws-lc-rs ring,$(PROVIDER)),)
$(error PROVIDER is "$(PROVIDER)": give aws-lc-rs or ring)
endif
OTHER_PROVIDER = $(if $(filter ring,$(PROVIDER)),aws-lc-rs,ring)
# The part of the mutations that `make mutants` tests, as k/n: 0/1 is all mutations.
SHARD ?= 0/1

# Tests run in the folder of their package, so they need an absolute path.
ifdef VECTORS
override export VECTORS := $(abspath $(VECTORS))
endif

TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
PRODUCTION_DIR := $(TARGET_DIR)/production
# Without a named target, the flag for the static C runtime would apply to build scripts too.
PRODUCTION_TARGET := $(shell uname -m)-unknown-linux-gnu
PRODUCTION_FLAGS := --cfg production -C target-feature=+crt-static
# The commit that `--version` prints; empty outside a checkout. Make runs git once, and only for a rule that
# builds. Tests and clippy do not get the commit, because their binaries would then be rebuilt at each commit.
COMMIT = $(eval COMMIT := $(shell deploy/production/commit.sh))$(COMMIT)
WITH_COMMIT = ATTESTED_RANDOM_COMMIT="$(COMMIT)"
# With these settings the binaries of a commit are the same bytes in any folder and for any user.
# No binary contains SOURCE_DATE_EPOCH. It is constant, because a new value would rebuild AWS-LC.
PRODUCTION_ENV = env -u CARGO_ENCODED_RUSTFLAGS RUSTFLAGS="$(PRODUCTION_FLAGS)" RUSTC_WRAPPER="$(CURDIR)/deploy/production/rustc.sh" \
	CFLAGS= CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH=0 RUSTC="$${RUSTC:-rustc}" $(WITH_COMMIT)
PRODUCTION_CARGO = $(PRODUCTION_ENV) cargo build --release --locked \
	--target $(PRODUCTION_TARGET) --target-dir $(PRODUCTION_DIR)
# The same features for all debug builds, so that they share what they build.
WITH_PROVIDER := --no-default-features --features \
	attestation/$(PROVIDER),attested-recipient/$(PROVIDER),enclave/$(PROVIDER),enclave/simulator,enclave/pkcs11,fuzz/$(PROVIDER),simulator/$(PROVIDER),suite/$(PROVIDER)
# Duration of the run of each fuzz target, in seconds.
FUZZ_SECONDS ?= 60
# The folder of the static binaries, and the command that builds and measures images.
PRODUCTION_BIN = $(PRODUCTION_DIR)/$(PRODUCTION_TARGET)/release
PKCS11_DIR := $(TARGET_DIR)/production-pkcs11
PKCS11_BIN = $(PKCS11_DIR)/$(PRODUCTION_TARGET)/release
TOOL = $(TARGET_DIR)/release/attested-recipient

.PHONY: help build run demo test test-all test-providers test-rust-sdk test-model test-readme test-peers test-statistics \
	bench bench-peers peers bench-entropy bench-instructions bench-key-store bench-tls outage flood handover \
	ca-rotation proxy-restarts soak fuzz fuzz-replay fuzz-save mutants lint lint-layers lint-rust lint-scripts lint-prose lint-text lint-toolchain lint-workflows \
	lint-planted-faults coverage lint-rust-sdk fmt deny advisories check-tools check-deploy preflight build-production build-production-pkcs11 verify-production image-test eif eif-test \
	kernel-update qemu-test names-test clients key-stores tools FORCE

help: ## List the targets.
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nTo contribute: make demo, fmt, lint, test (docs/CONTRIBUTING.md). Targets in detail: docs/contributing/testing.md.\n'

##@ Use

tools: ## Check that Rust and a C compiler are installed.
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.95 or later with rustup" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: install one, for example with apt-get install gcc" >&2; exit 1; }

build: tools ## Build the release binaries for a laptop (about 5 min the first time).
	$(WITH_COMMIT) cargo build --release --locked -p enclave --features simulator,pkcs11 --bin enclave-simulator
	$(WITH_COMMIT) cargo build --release --locked -p parent-proxy
	$(WITH_COMMIT) cargo build --release --locked -p attested-recipient

run: build ## Run a simulated enclave behind the relay on LISTEN (127.0.0.1:8000) until Ctrl-C (TLS=yes, KEY_STORE=softhsm).
	@LISTEN=$(LISTEN) TLS=$(TLS) KEY_STORE=$(KEY_STORE) BIN=$(TARGET_DIR)/release deploy/laptop/run.sh

demo: build ## Start the simulator, make one attested request step by step, stop it.
	@BIN=$(TARGET_DIR)/release deploy/laptop/demo.sh

##@ Test

test: tools clients key-stores ## Run the tests of all packages (4 min; 10 min and 4 GB the first time; PROVIDER=ring, VECTORS=DIR, NEXTEST=no).
	@.ci/test --workspace $(WITH_PROVIDER)

test-all: ## Run every check and test, including the slow ones (hours; needs root, Debian and several tools).
	@.ci/run --all

test-providers: tools ## Test the crypto provider that PROVIDER does not select, and an enclave without the simulator (4 min, mostly the build).
	@.ci/test -p enclave --no-default-features --features $(PROVIDER) --test enclave_binary
	@.ci/test -p attestation -p simulator --no-default-features \
		--features attestation/$(OTHER_PROVIDER),simulator/$(OTHER_PROVIDER)
	@# Tests of the corpus start these binaries.
	cargo build --locked --workspace $(WITH_PROVIDER) --bin enclave-simulator --bin parent-proxy --bin attested-recipient
	@.ci/test -p suite --no-default-features --features $(OTHER_PROVIDER) --test corpus

test-model: tools ## Run the queue of the NSM thread under a model checker (seconds; 1 min the first time).
	@CARGO_TARGET_DIR=$(abspath $(TARGET_DIR))/model .ci/test --manifest-path tests/model/Cargo.toml

test-rust-sdk: tools ## Run the tests with the AWS SDK for Rust (2 min, mostly the build of the SDK).
	@CARGO_TARGET_DIR=$(abspath $(TARGET_DIR))/rust-sdk .ci/test --manifest-path tests/rust-sdk/Cargo.toml

test-readme: tools ## Run the commands of the README as written, one shell per terminal (seconds; 6 min the first time).
	@.ci/readme

test-peers: peers ## Compare the README's table of emulators with moto, MiniStack and LocalStack (seconds; needs Python 3.13 for LocalStack).
	@tests/peers/check.py

check-deploy: tools ## Validate manifests, units, alerts and dashboard offline, and plant a fault in each (2 min).
	cargo build --locked --workspace $(WITH_PROVIDER) --bin enclave-simulator --bin parent-proxy
	@export BIN=$(abspath $(TARGET_DIR))/debug; deploy/check/run.sh && deploy/check/planted_faults.sh

qemu-test: clients key-stores ## Boot the enclave's image in QEMU and test it; QEMU lacks only AWS's signature (3 min; 13 min the first time).
	@tests/suite/qemu/setup.sh
	@$(MAKE) --no-print-directory eif OR_CURRENT=yes
	@$(MAKE) --no-print-directory eif OR_CURRENT=yes PKCS11=yes
	cargo build --locked --workspace $(WITH_PROVIDER) --bin attested-recipient
	KERNEL_DIR="$$(deploy/eif/kernel.sh --or-current | tail -n 1)" \
	EIF=$(abspath $(TARGET_DIR)/eif) QEMU=$(abspath $(TARGET_DIR)/qemu) \
		PROXY=$(abspath $(PRODUCTION_BIN)/parent-proxy) ENCLAVE=$(abspath $(PRODUCTION_BIN)/enclave) \
		PKCS11_ENCLAVE=$(abspath $(PKCS11_BIN)/enclave) \
		NEXTEST=no SHOW_PASSED=yes .ci/test --workspace $(WITH_PROVIDER) --test qemu

names-test: tools ## Test that the relay resolves an egress host for each connection (seconds; needs user namespaces).
	@.ci/test -p parent-proxy --test egress_dns

test-statistics: tools ## Run ent and rngtest over 64 MiB of output, and over the output of a broken DRBG (2 min; needs ent, rng-tools5).
	@tests/suite/statistics/run.sh

image-test: build-production build-production-pkcs11 ## Build enclave.Dockerfile without Docker and compare the binaries (7 min; needs root, Debian).
	@TARGET_DIR=$(TARGET_DIR) BINARY=$(PRODUCTION_BIN)/enclave PKCS11_BINARY=$(PKCS11_BIN)/enclave COMMIT="$(COMMIT)" \
		tests/suite/image/run.sh

eif-test: eif ## Compare the image's measurements with those of nitro-cli (7 min; installs nitro-cli).
	@BIN=$(TARGET_DIR)/release tests/suite/eif/nitro-cli.sh $(TARGET_DIR)/eif/enclave.eif

outage: build clients ## Kill one of three enclaves every 20 s while real SDKs send 200 requests a second (5 min; DURATION=300).
	DURATION=$(DURATION) cargo bench --locked -p suite --bench outage

flood: build ## Hold 4,200 silent connections while another client connects each second (5 min; four runs of DURATION=60).
	DURATION=$(DURATION) cargo bench --locked -p suite --bench flood

handover: build clients ## Upgrade and restart relays while real SDKs send requests (2 min; needs HAProxy; DURATION=120).
	DURATION=$(DURATION) cargo bench --locked -p suite --bench handover

ca-rotation: build ## Restart enclaves with attested TLS while 20 new clients connect each second (2 min; DURATION=60).
	DURATION=$(DURATION) cargo bench --locked -p suite --bench ca_rotation

proxy-restarts: build clients ## Restart enclaves while boto3 sends 100 requests a second through `attested-recipient proxy` (10 min; two runs of DURATION=300).
	DURATION=$(DURATION) cargo bench --locked -p suite --bench proxy_restarts

soak: build clients ## Kill, pause and restart enclaves and relays at random while real SDKs send requests (10 min; DURATION=600, SEED=).
	DURATION=$(DURATION) SEED=$(SEED) cargo bench --locked -p suite --bench soak

fuzz: tools ## Fuzz each target for FUZZ_SECONDS (60 s; needs cargo-fuzz and a nightly compiler).
	@FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run.sh run

fuzz-replay: tools ## Run the fuzzer's saved inputs, as `make test` also does.
	cargo test --locked -p fuzz --no-default-features --features $(PROVIDER) -- --nocapture

mutants: tools ## Mutate the verifier and check that a test fails for each change (hours; needs cargo-mutants; SHARD=k/n runs a part).
	@SHARD=$(SHARD) .ci/mutants

clients: tools ## Install the KMS clients that the tests run, under target/clients.
	@tests/suite/clients/setup.sh

key-stores: tools ## Install SoftHSM 2, which the tests of custom key stores use.
	@tests/suite/key-stores/setup.sh >/dev/null

##@ Production

preflight: tools ## Reject a compiler other than the pinned one, as production builds do (RUSTC_VERSION=any accepts all).
	@COMMIT="$(COMMIT)" RUSTC_VERSION="$(RUSTC_VERSION)" deploy/production/preflight.sh

# Deletes the folder if rustc.sh has changed, because Cargo does not detect that.
define PRODUCTION_FOLDER
	@cmp -s deploy/production/rustc.sh $(PRODUCTION_DIR)/rustc.sh || rm -rf $(PRODUCTION_DIR)
	@mkdir -p $(PRODUCTION_DIR) && cp deploy/production/rustc.sh $(PRODUCTION_DIR)/rustc.sh
endef

build-production: preflight ## Build the static production binaries (3 min).
	$(PRODUCTION_FOLDER)
	$(PRODUCTION_CARGO) -p enclave --bin enclave
	$(PRODUCTION_CARGO) -p parent-proxy --bin parent-proxy
	@ls -l $(PRODUCTION_DIR)/$(PRODUCTION_TARGET)/release/{enclave,parent-proxy}

# A second flavor of the enclave, in a separate folder. Its key stores load the PKCS#11 module of an HSM, which needs
# the dynamic loader and the C library.
build-production-pkcs11: PRODUCTION_FLAGS := --cfg production
build-production-pkcs11: PRODUCTION_DIR := $(PKCS11_DIR)
build-production-pkcs11: preflight ## Build the production enclave with PKCS#11 key stores; this binary is not static (3 min).
	$(PRODUCTION_FOLDER)
	$(PRODUCTION_CARGO) -p enclave --bin enclave --features pkcs11
	@ls -l $(PKCS11_BIN)/enclave

verify-production: build-production build-production-pkcs11 build ## Prove that production binaries contain no simulator and no path of this machine (1 min; 6 min the first time).
	@$(PRODUCTION_ENV) TARGET=$(PRODUCTION_TARGET) PRODUCTION_DIR=$(PRODUCTION_DIR) PKCS11_BIN=$(PKCS11_BIN) \
		BIN=$(TARGET_DIR)/release deploy/production/verify.sh

$(TOOL): FORCE
	$(WITH_COMMIT) cargo build --release --locked -p attested-recipient
FORCE:

eif: build-production$(if $(PKCS11),-pkcs11) $(TOOL) ## Build the enclave's image (KERNEL=, MODULES=, RAMDISK=, CMDLINE=, CONFIG=, PKCS11=yes, FILES=).
	@ENCLAVE=$(if $(PKCS11),$(PKCS11_BIN),$(PRODUCTION_BIN))/enclave TOOL=$(TOOL) KERNEL="$(KERNEL)" CMDLINE="$(CMDLINE)" \
		MODULES="$(MODULES)" RAMDISK="$(RAMDISK)" CONFIG="$(CONFIG)" OR_CURRENT="$(OR_CURRENT)" \
		PKCS11="$(PKCS11)" FILES="$(FILES)" deploy/eif/build.sh

##@ Maintain

LINTS := deny lint-toolchain lint-scripts lint-prose lint-text lint-workflows lint-layers lint-rust

lint: ## Run all static checks below, one after the other (2 min; 5 min the first time).
	@for check in $(LINTS); do printf '\n== make %s\n' $$check; $(MAKE) --no-print-directory $$check || exit 1; done

deny: tools ## Check bans, licences and sources of dependencies with cargo-deny (seconds).
	@.ci/deny

advisories: tools ## Check dependencies for known vulnerabilities with cargo-deny (needs the network).
	@.ci/deny advisories

lint-toolchain: ## Check that all places agree on the pinned compiler (seconds).
	@.ci/toolchain

lint-scripts: ## Check every shell script with shellcheck (seconds).
	@.ci/lint-scripts

lint-prose: ## Check how plainly comments, docs, messages and test names are written (seconds).
	@.ci/prose --check

lint-text: ## Check spelling with typos and links between Markdown files with lychee (seconds).
	@.ci/lint-text

lint-workflows: ## Check the hosted workflows and their scripts with actionlint and shellcheck (seconds).
	@.ci/lint-workflows

lint-layers: tools ## Check that no module imports from a higher layer, and that there is no cycle (.ci/layers).
	@.ci/layers

lint-rust: tools ## Check Rust code with rustfmt, clippy and rustdoc (the slowest part of `make lint`).
	cargo fmt --all --check
	cargo fmt --manifest-path tests/rust-sdk/Cargo.toml --check
	cargo fmt --manifest-path tests/model/Cargo.toml --check
	cargo clippy --locked --manifest-path tests/model/Cargo.toml --target-dir $(TARGET_DIR)/model \
		--all-targets -- -D warnings
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@# `--all-targets` does not include the tests that `make test` does not run.
	cargo clippy --locked -p suite --test qemu -- -D warnings
	cargo clippy --locked -p parent-proxy --test egress_dns -- -D warnings
	cargo clippy --locked -p attestation -p simulator --no-default-features \
		--features attestation/ring,simulator/ring --all-targets -- -D warnings
	@# A feature of a dependency can bring in the other provider.
	@tree=$$(cargo tree --locked --workspace $(subst $(PROVIDER),ring,$(WITH_PROVIDER)) -e normal) || exit 1; \
		if grep aws-lc <<<"$$tree"; then echo "aws-lc-rs is linked with the provider ring" >&2; exit 1; fi
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

lint-planted-faults: tools ## Plant a fault for each static check, and require that the check reports the fault (1 min).
	@.ci/planted-faults
	@.ci/toolchain --planted-faults

coverage: clients key-stores ## Print the share of lines that tests run, per crate (15 min, 9 GB; needs llvm-cov).
	@.ci/coverage --workspace $(WITH_PROVIDER)

lint-rust-sdk: tools ## Check the tests with the AWS SDK for Rust with clippy (3 min, mostly the build of the SDK).
	cargo clippy --locked --manifest-path tests/rust-sdk/Cargo.toml \
		--target-dir $(TARGET_DIR)/rust-sdk --all-targets -- -D warnings

check-tools: ## Install the check tools that `make lint` uses, under target/tools (120 MB).
	@.ci/tools/setup.sh

fmt: ## Format all Rust code.
	cargo fmt --all
	cargo fmt --manifest-path tests/rust-sdk/Cargo.toml
	cargo fmt --manifest-path tests/model/Cargo.toml

fuzz-save: tools ## Add the fuzzer's new inputs to its saved inputs, without duplicates.
	@fuzz/run.sh save

kernel-update: tools ## Replace the pinned kernel of the enclave by Debian's current kernel.
	@deploy/eif/update-kernel.sh

bench: build ## Compare the service with its cryptographic primitives alone, and with a server that does no work (5 min).
	cargo bench --locked -p suite --bench service
	cargo bench --locked -p suite --bench crypto_overhead

bench-peers: build peers ## Compare the relay with HAProxy and nginx, and the service with moto (10 min; needs HAProxy and nginx).
	cargo bench --locked -p suite --bench relay
	cargo bench --locked -p suite --bench peers

bench-entropy: tools ## Measure the cost of entropy per request, with an NSM that takes 1 ms (1 min).
	cargo bench --locked -p suite --bench entropy

bench-instructions: tools ## Count the instructions of verifying, sealing and a plain request (2 min; needs valgrind; RECORD=yes).
	RECORD=$(RECORD) cargo bench --locked -p suite --bench instructions

bench-key-store: key-stores ## Measure whether a stuck HSM slows callers that do not use it (1 min).
	cargo bench --locked -p suite --bench key_store

bench-tls: tools ## Measure the cost of TLS, in connections and requests a second (1 min).
	cargo bench --locked -p suite --bench tls

peers: tools ## Install moto, MiniStack and LocalStack for `make test-peers` and `make bench-peers` (1 min).
	@tests/peers/setup.sh
