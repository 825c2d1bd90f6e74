# What a newcomer and a developer type. Everything works from a clean clone with Rust and a C compiler.

CARGO ?= cargo

.PHONY: demo
demo: ## Build the three binaries and serve a chat page and an echo from manifests you can edit
	$(CARGO) build --locked --bins
	$(CARGO) run --locked --quiet --bin holdfast -- serve --demo
