#!/usr/bin/env bash
# Runs the README's bash blocks as they stand, in one shell, against a server of their own.
# Usage: tests/readme.sh SERVER_BINARY
set -euo pipefail

server=$(realpath "$1")
readme=$(realpath "$(dirname "$0")/../README.md")
for tool in grpcurl jq curl openssl; do
  command -v "$tool" > /dev/null || { echo "the README's blocks want $tool" >&2; exit 1; }
done

folder=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ] && kill -INT "$pid" 2> /dev/null; then wait "$pid" || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"

# Two ports that nobody uses now.
read -r port admin < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
PY
)

start() {
  BACKLINE_LISTEN=127.0.0.1:$port BACKLINE_ADMIN_LISTEN=127.0.0.1:$admin "$server" > server.out 2> server.log &
  pid=$!
  for _ in $(seq 100); do
    curl --silent --fail "http://127.0.0.1:$admin/readyz" > /dev/null && return
    sleep 0.1
  done
  echo "the server did not become ready" >&2
  cat server.log >&2
  exit 1
}

start

# The blocks, with the port of this server, and the binary that was given in place of a release build.
{
  echo 'set -euo pipefail'
  printf 'cargo() { shift 3; %q "$@"; }\n' "$server"
  awk '/^```bash$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$readme" | sed "s/127\.0\.0\.1:7070/127.0.0.1:$port/g"
} > blocks.sh
blocks=$(grep -c '^```bash$' "$readme")
if ! bash blocks.sh > blocks.out 2>&1; then
  echo "a block failed; the end of its output:" >&2
  tail -n 40 blocks.out >&2
  tail -n 10 server.log >&2
  exit 1
fi

# Ctrl-C, a second start, and everything is still there.
kill -INT "$pid"
wait "$pid"
start
login='{"email": "ana@example.org", "password": "a long walk by the sea"}'
token=$(grpcurl -plaintext -d "$login" "127.0.0.1:$port" backline.v1.SessionService/Login |
  jq -r .signedIn.tokens.accessToken)
grpcurl -plaintext -H "authorization: Bearer $token" -d '{"query": "field notes"}' "127.0.0.1:$port" \
  backline.v1.SearchService/Search | grep -q '"Field notes"'
echo "$blocks blocks of the README ran, and what they made outlived a restart"
