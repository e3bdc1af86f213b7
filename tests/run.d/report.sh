# shellcheck shell=bash
# Runs the parts one after the other, counts what they prove, and shows the output of those that fail.

passed=0
failed=0
skipped=0
failed_parts=()
running=""

# Lines of a failed part's output that are shown; all of it stays in the log.
SHOWN_LINES=400

# skip NAME WHY
skip() {
    printf '== %s … skipped: %s\n' "$1" "$2"
    skipped=$((skipped + 1))
}

# part NAME COMMAND…  Runs a command that counts as one.
part() {
    if run_part "$@"; then
        passed=$((passed + 1))
        verdict ok
    else
        failed=$((failed + 1))
        verdict FAILED "$1"
    fi
}

# cargo_part NAME ARGUMENTS…  Runs `cargo test ARGUMENTS…` and counts its tests.
cargo_part() {
    local code=0 ok bad ignored
    run_part "$1" cargo test --no-fail-fast "${@:2}" || code=$?
    read -r ok bad ignored < <(count_tests "$log")
    # It may fail without a failed test: a build error, a crash, the time limit. And a part without tests proves nothing,
    # unless a filter asked for that.
    # shellcheck disable=SC2154  # tests/run sets the filters
    if ((code != 0 && bad == 0)) || ((ok + bad + ignored + ${#filters[@]} == 0)); then
        bad=$((bad + 1))
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + ignored))
    if ((bad == 0)); then
        verdict ok "" "$ok passed, $ignored skipped, "
    else
        verdict FAILED "$1" "$ok passed, $bad failed, $ignored skipped, "
    fi
}

# Adds up the `test result: …` lines of a log: passed, failed, ignored.
count_tests() {
    awk '/^test result: / {
        for (i = 2; i <= NF; i++) {
            if ($i == "passed;") passed += $(i - 1)
            if ($i == "failed;") failed += $(i - 1)
            if ($i == "ignored;") ignored += $(i - 1)
        }
    } END { print passed + 0, failed + 0, ignored + 0 }' "$1"
}

# run_part NAME COMMAND…  Runs the command into `log`, in a process group of its own so that stop_part ends all of it.
run_part() {
    local code=0
    log="$LOGS/${1//[^A-Za-z0-9]/-}.log"
    started=$SECONDS
    printf '== %s … ' "$1"
    # Without job control bash would start it with SIGINT ignored, and so would be every server the tests start.
    set -m
    timeout --kill-after=15 "${PART_LIMIT:-1500}" "${@:2}" >"$log" 2>&1 </dev/null &
    running=$!
    set +m
    wait "$running" || code=$?
    running=""
    if ((code == 124 || code == 137)); then
        echo "ended: it took longer than ${PART_LIMIT:-1500} s, or was killed" >>"$log"
    fi
    return "$code"
}

# verdict ok|FAILED [NAME [COUNTS]]  Ends the line that run_part began.
verdict() {
    printf '%s (%s%s s)\n' "$1" "${3:-}" "$((SECONDS - started))"
    [[ "$1" != ok ]] || return 0
    failed_parts+=("$2")
    # What went wrong, before the lines in which it may not stand any more.
    grep --extended-regexp --after-context=4 "panicked at|^error" "$log" | head -n 80 | sed 's/^/   /' || true
    if (($(wc -l <"$log") > SHOWN_LINES)); then
        echo "   (the last $SHOWN_LINES lines of $log)"
    fi
    tail -n "$SHOWN_LINES" "$log" | sed 's/^/   /'
}

# Ends the part that is running, if the script is told to stop in the middle of one.
stop_part() {
    [[ -z "$running" ]] || kill -TERM "$running" 2>/dev/null || true
}

# Prints what failed and the totals, and leaves with the exit code that says the same.
totals() {
    local name
    for name in "${failed_parts[@]}"; do echo "failed: $name"; done
    echo "$passed passed, $failed failed, $skipped skipped"
    ((failed == 0)) || exit 1
    exit 0
}
