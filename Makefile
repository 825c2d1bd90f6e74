# What a newcomer and a developer type. `make demo` needs Rust and a C compiler; `make test` Python, Node.js and
# Go too. `.ci/run` runs `lint` and `test`.

CARGO ?= cargo
PYTHON ?= python3
NPM ?= npm
TOOLS := .tools
PEERS := e2e/peers
# Where the parts of Kubernetes that the tests run are built once; name another folder to share them.
export HOLDFAST_KUBE_TOOLS ?= $(CURDIR)/$(TOOLS)/kube/bin

.PHONY: demo
demo: ## Build the three binaries and serve a chat page and an echo from manifests you can edit
	$(CARGO) build --locked -p controller -p dataplane --bins
	@exec "$${CARGO_TARGET_DIR:-target}/debug/holdfast" serve --demo

.PHONY: test
test: peers kube-tools h2spec ## Build everything and run every test
	@command -v curl >/dev/null || { echo "curl is missing: the end-to-end tests need it (apt-get install curl)" >&2; exit 1; }
	$(CARGO) build --workspace --locked
	HOLDFAST_H2SPEC=$(CURDIR)/$(TOOLS)/h2spec/h2spec $(CARGO) test --workspace --locked

# Against the cluster of the current kubeconfig, whose nodes must have the image, and whose Services this machine
# must reach. With kind, on Linux:
#   docker build -t holdfast:test . && kind create cluster && kind load docker-image holdfast:test
#   sudo ip route add $$(kubectl get service kubernetes -o jsonpath={.spec.clusterIP})/16 via \
#     $$(docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' kind-control-plane)
#   make test-cluster
# IN runs the test where the Services are reached, such as 'ip netns exec NAME'.
IMAGE ?= holdfast:test
IN ?=
.PHONY: test-cluster
test-cluster: kube-tools ## Install the chart on a real cluster, and change everything around 200 sessions
	$(CARGO) build --locked -p e2e --test real_cluster
	$(IN) env HOLDFAST_IMAGE=$(IMAGE) HOLDFAST_KUBE_TOOLS="$$HOLDFAST_KUBE_TOOLS" \
		"$$(ls -t "$${CARGO_TARGET_DIR:-$(CURDIR)/target}"/debug/deps/real_cluster-* | grep -v '\.d$$' | head -n 1)" --nocapture

.PHONY: lint
lint: advisories fuzz-check ## Formatter, clippy and rustdoc, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

# Licences are checked by e2e/tests/guard.rs. Advisories need a database from the network.
.PHONY: advisories
advisories:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check advisories; \
	else echo "advisories: not checked, because cargo-deny is not installed (cargo install cargo-deny)"; fi

# Running it takes a nightly compiler: `cargo +nightly fuzz run framing` in dataplane. The same versions as everywhere.
.PHONY: fuzz-check
fuzz-check: ## Compile the fuzz target
	@command -v c++ >/dev/null || { echo "c++ is missing: the fuzz target's runtime needs it (apt-get install g++)" >&2; exit 1; }
	cp Cargo.lock dataplane/fuzz/Cargo.lock
	RUSTFLAGS="-D warnings" $(CARGO) check --manifest-path dataplane/fuzz/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}/fuzz"

.PHONY: crds
crds: ## Write the custom resource definitions, for kubectl and for the chart, from the Rust types
	mkdir -p crds charts/holdfast/files/crds
	$(CARGO) run --locked --quiet -p controller --bin holdfast -- crds print >crds/websocketroutes.holdfast.dev.yaml
	cp crds/*.yaml charts/holdfast/files/crds/

.PHONY: bench
bench: kube-tools ## Figures, not tests: the data plane beside nginx where that is installed; a cluster of 10,000 Ingresses
	$(CARGO) build --release --locked -p controller -p dataplane --bins
	$(CARGO) bench --locked -p e2e

# The API server, its database, kubectl and helm, from their Go modules; built again only when their pins change.
.PHONY: kube-tools
kube-tools:
	@e2e/kube/build "$$HOLDFAST_KUBE_TOOLS"

# The conformance suite for HTTP/2, from its Go module; the newest version that has one.
H2SPEC := v2.2.1+incompatible
.PHONY: h2spec
h2spec: $(TOOLS)/h2spec/$(H2SPEC)

$(TOOLS)/h2spec/$(H2SPEC):
	@command -v go >/dev/null || { echo "go is missing: the tests need Go 1.26 or later (https://go.dev/dl/)" >&2; exit 1; }
	mkdir -p $(@D)
	GOFLAGS=-mod=mod GOBIN=$(CURDIR)/$(@D) go install github.com/summerwind/h2spec/cmd/h2spec@$(H2SPEC)
	touch $@

# Foreign peers of the end-to-end tests, in .tools/; installed again only when their pins change.
.PHONY: peers
peers: $(TOOLS)/python/.installed $(TOOLS)/node/.installed

$(TOOLS)/python/.installed: $(PEERS)/requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: the end-to-end tests need Python 3.9 or later with venv (apt-get install python3-venv)" >&2; exit 1; }
	rm -rf $(TOOLS)/python
	$(PYTHON) -m venv $(TOOLS)/python || { echo "python3 -m venv failed: install it (apt-get install python3-venv)" >&2; exit 1; }
	$(TOOLS)/python/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(TOOLS)/node/.installed: $(PEERS)/package.json $(PEERS)/package-lock.json
	@command -v node >/dev/null && command -v $(NPM) >/dev/null || { echo "node or npm is missing: the end-to-end tests need Node.js 18 or later with npm (apt-get install nodejs npm)" >&2; exit 1; }
	rm -rf $(TOOLS)/node
	mkdir -p $(TOOLS)/node
	cp $^ $(TOOLS)/node/
	cd $(TOOLS)/node && $(NPM) ci --no-audit --no-fund --loglevel=error
	touch $@
