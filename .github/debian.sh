#!/bin/sh
# Makes a container of plain Debian a place where `npm test` runs, which installs the rest by itself (hack/preflight.ts): git, npm, a C
# compiler and Rust. Needs root and GITHUB_PATH, GITHUB_WORKSPACE. For jobs of the workflows beside it.
set -eu
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -qq -y \
  binutils build-essential ca-certificates curl git npm util-linux >/dev/null
curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs |
  sh -s -- -y --quiet --profile minimal --component clippy,rustfmt --default-toolchain 1.95.0
echo "$HOME/.cargo/bin" >>"$GITHUB_PATH"
# The workspace belongs to the runner's user, not to root.
git config --global --add safe.directory "$GITHUB_WORKSPACE"
