# clade as a small image: built with the toolchain of rust-toolchain.toml, run by nobody in particular.
FROM rust:1.95.0-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl-dev make g++ pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
RUN cargo build --release --locked --bin clade

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir -m 0700 /var/lib/clade && chown 65532:65532 /var/lib/clade
COPY --from=build /src/target/release/clade /usr/local/bin/clade
USER 65532:65532
ENV CLADE_DATA_DIR=/var/lib/clade
VOLUME /var/lib/clade
EXPOSE 7878 9090
ENTRYPOINT ["clade"]
# Commands in the container can ask it (docker exec). Others need TLS and tokens: docs/guides/access.md.
CMD ["run", "--listen", "127.0.0.1:7878"]
