# One image with the three binaries and nothing else: static, so that there is no system in it to keep up to date.
# Built for the platform that it is built on (docker buildx runs the others under emulation).

FROM docker.io/library/rust:1.95-bookworm AS builder
ARG TARGETARCH
WORKDIR /src

# Dependencies first, around empty crates: this layer is built again only when they change.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY controller/Cargo.toml controller/Cargo.toml
COPY dataplane/Cargo.toml dataplane/Cargo.toml
COPY dataplane/routetable/Cargo.toml dataplane/routetable/Cargo.toml
COPY e2e/Cargo.toml e2e/Cargo.toml
RUN sed -i -E '/^\[\[(bench|test)\]\]/,/^$/d' */Cargo.toml */*/Cargo.toml \
    && mkdir -p controller/src/bin dataplane/src dataplane/routetable/src e2e/src/bin /out \
    && touch controller/src/lib.rs dataplane/src/lib.rs dataplane/routetable/src/lib.rs e2e/src/lib.rs \
    && for main in controller/src/main.rs controller/src/bin/holdfast.rs dataplane/src/main.rs e2e/src/bin/swarm.rs; do \
         echo 'fn main() {}' >"$main"; done
# With a target, the flags are not those of build scripts and macros, which cannot be static.
RUN case "$TARGETARCH" in \
      amd64) echo x86_64-unknown-linux-gnu >/target ;; \
      arm64) echo aarch64-unknown-linux-gnu >/target ;; \
      *) echo "TARGETARCH must be 'amd64' or 'arm64', not '$TARGETARCH'" >&2; exit 1 ;; \
    esac
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN cargo build --release --locked --target "$(cat /target)" -p controller -p dataplane --bins

COPY controller controller
COPY dataplane dataplane
# Cargo goes by time: the sources may be older than what was built from the empty crates.
RUN find controller dataplane -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --target "$(cat /target)" -p controller -p dataplane --bins \
    && cd "target/$(cat /target)/release" && cp holdfast holdfast-controller holdfast-dataplane /out/

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="A Kubernetes ingress controller for connections that stay open" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=builder /out/ /
USER 65532:65532
