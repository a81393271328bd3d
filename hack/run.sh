#!/bin/sh
# Runs a TypeScript file of this project, or with --tool a program of its packages, on the Node that the clone brings.
#   sh hack/run.sh FILE.ts [ARGUMENT...]        sh hack/run.sh --tool NAME [ARGUMENT...]
# Needs npm. Installs the packages of package-lock.json when they are missing or stale; leaves node_modules/ behind.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.installed-lock
if ! cmp -s package-lock.json "$stamp"; then
  command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm first (on Debian: apt-get install npm)" >&2; exit 1; }
  echo "Installing npm packages (about half a minute) ..." >&2
  npm ci --no-progress >&2
  cp package-lock.json "$stamp"
fi
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
if [ "$1" = --tool ]; then
  shift
  exec "$@"
fi
exec node "$@"
