# shellcheck shell=bash
# A private PostgreSQL for one run: on a free port of the loopback address, in a temporary folder, gone afterwards.
#
# Its settings are PostgreSQL's own, durability included, so that the tests meet the server people run. Everybody on
# this machine may connect without a password while it runs; it holds nothing but test data.

postgres_folder=""

# Why start_postgres failed.
POSTGRES_MISSING="PostgreSQL is not installed"

# Prints the folder of initdb and pg_ctl, which Debian keeps off the PATH; the newest version wins.
postgres_programs() {
    local found
    found="$(command -v initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)"
    [[ -x "$found" ]] && dirname "$(readlink -f "$found")"
}

# Runs one of PostgreSQL's programs in its folder; the server refuses root, so root lends it an ordinary user.
postgres_run() {
    if ((EUID == 0)); then
        runuser -u "$(postgres_user)" -- env -C "$postgres_folder" "$@"
    else
        env -C "$postgres_folder" "$@"
    fi
}

postgres_user() {
    if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# Starts the server and exports TEST_POSTGRES_URL, whose role is a superuser. Where that fails the variable stays
# unset and POSTGRES_MISSING says why.
start_postgres() {
    local programs port attempt
    programs="$(postgres_programs)" || return 0

    # shellcheck disable=SC2034  # tests/run prints it
    POSTGRES_MISSING="PostgreSQL did not start (see $LOGS/postgres.log)"
    postgres_folder="$(mktemp -d "${TMPDIR:-/tmp}/backline-postgres.XXXXXX")"
    ((EUID != 0)) || chown "$(postgres_user)" "$postgres_folder"
    if ! postgres_run "$programs/initdb" --pgdata=data --username=backline --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 >"$LOGS/postgres.log" 2>&1; then
        failed_start
        return 0
    fi
    # Each test has a database and a pool of its own, and many run at once.
    cat >>"$postgres_folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
CONF

    # A port that is taken makes the start fail; then the next one is tried.
    for attempt in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        if postgres_run "$programs/pg_ctl" --pgdata=data --log=server.log --options="-p $port" --wait --silent start \
            >>"$LOGS/postgres.log" 2>&1; then
            export TEST_POSTGRES_URL="postgres://backline@127.0.0.1:$port/postgres"
            return 0
        fi
        echo "attempt $attempt, port $port:" >>"$LOGS/postgres.log"
        cat "$postgres_folder/server.log" >>"$LOGS/postgres.log" 2>/dev/null || true
    done
    failed_start
}

# PostgreSQL is here and yet does not start: that is a failure, not a tool that is missing.
failed_start() {
    echo "== PostgreSQL … FAILED"
    tail -n 40 "$LOGS/postgres.log" | sed 's/^/   /'
    failed=$((failed + 1))
    failed_parts+=("PostgreSQL")
}

stop_postgres() {
    [[ -n "$postgres_folder" ]] || return 0
    if [[ -e "$postgres_folder/data/postmaster.pid" ]]; then
        postgres_run "$(postgres_programs)/pg_ctl" --pgdata=data --mode=immediate --wait --silent stop || true
    fi
    rm -rf "$postgres_folder"
    postgres_folder=""
}
