# syntax=docker/dockerfile:1
# The server, alone in an image without a shell. Built from the root of the repository: docker build --tag silverback .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package silverback-server \
    && cp target/release/silverback /silverback

# glibc, and the certificates of authorities (for key sets and collectors), and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /silverback /usr/bin/silverback
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/silverback/
ENV SILVERBACK_LISTEN=0.0.0.0:8080 \
    SILVERBACK_API_LISTEN=0.0.0.0:8081 \
    SILVERBACK_LOG_FORMAT=json
EXPOSE 8080 8081
USER 65532:65532
# SIGTERM drains: give it at least 25 s (docker stop --time 30).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/silverback"]
CMD ["serve"]
