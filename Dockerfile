# Bun's own image: its version is the one that package.json pins.
FROM oven/bun:1.4.5-slim AS build
WORKDIR /source

# The program itself needs only the dependencies that end up in the binary.
COPY package.json bun.lock ./
RUN bun install --frozen-lockfile --production

COPY . .
# .git stays outside the build context; the commit, if wanted, is given by --build-arg.
ARG BUILD_COMMIT=""
RUN BUILD_COMMIT="$BUILD_COMMIT" bun build.ts && mkdir /data

# glibc, time zones and certificate authorities; no shell, no package manager.
FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build /source/dist/any2api /usr/local/bin/any2api
COPY --from=build --chown=65532:65532 /data /data

# Mount a directory here, not a single file: a saved file is often a new one, and a mount of the old one would never change.
WORKDIR /etc/any2api
ENV HOST=0.0.0.0 PORT=7860 DATA_DIR=/data
EXPOSE 7860
VOLUME /data
# "nonroot" of the base image, by number, so that an orchestrator can see that it is not root.
USER 65532:65532

HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/local/bin/any2api", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/any2api"]
CMD ["serve"]
