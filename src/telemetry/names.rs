//! Every metric there is. `deploy/metrics.md` lists the same for people, and a test holds both to the code.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// How a metric's values are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the next start.
    Counter,
    Gauge,
    /// A distribution over fixed bounds.
    Histogram,
}

/// One metric. Its labels have few values, whatever callers send.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus reads it on the admin port.
    pub name: &'static str,
    /// As OTLP carries it.
    pub otlp: &'static str,
    pub kind: Kind,
    /// Of UCUM, as OTLP wants it.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $name:literal $otlp:literal $unit:literal [$($label:literal),*] $help:literal;)*) => {
        /// In the order of `deploy/metrics.md`.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            otlp: $otlp,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

metrics! {
    Histogram "rpc_server_call_duration_seconds" "rpc.server.call.duration" "s"
        ["rpc_system_name", "rpc_method", "rpc_response_status_code"] "Time from a call's arrival to its last byte";
    Gauge "backline_calls_in_flight" "backline.calls_in_flight" "{call}" [] "Calls that have begun and not ended";
    Counter "backline_calls_shed_total" "backline.calls_shed" "{call}" [] "Calls refused because the server was busy";
    Counter "backline_deadlines_exceeded_total" "backline.deadlines_exceeded" "{call}"
        ["stage"] "Calls whose deadline passed: before they began, or under way";
    Counter "backline_handler_panics_total" "backline.handler_panics" "{panic}" [] "Handlers that did not finish";
    Counter "backline_rate_limited_total" "backline.rate_limited" "{call}"
        ["scope"] "Calls refused because their caller made too many";
    Counter "backline_connections_refused_total" "backline.connections_refused" "{connection}"
        [] "Connections closed at once because their address had too many";
    Counter "backline_jobs_total" "backline.jobs_ended" "{job}"
        ["kind", "outcome"] "Runs of jobs: completed, retried, discarded";
    Gauge "backline_jobs" "backline.jobs" "{job}" ["state"] "Jobs in the queue, and those that were discarded";
    Gauge "backline_jobs_overdue_seconds" "backline.jobs_overdue" "s" [] "How long the oldest due job has waited";
    Counter "backline_letters_total" "backline.letters" "{letter}" ["kind", "outcome"] "Letters: sent, abandoned";
    Histogram "backline_mail_send_seconds" "backline.mail_send" "s" ["outcome"] "Time to hand one letter over";
    Counter "backline_uploads_total" "backline.uploads" "{upload}" ["outcome"] "Uploads that were checked: ready, refused";
    Counter "backline_db_statements_total" "backline.db_statements" "{statement}"
        [] "Statements sent, BEGIN and COMMIT included";
    Histogram "backline_password_hash_seconds" "backline.password_hash" "s" [] "Time of one password hash";
    Gauge "backline_password_hashes_running" "backline.password_hashes_running" "{hash}" [] "Password hashes under way";
    Gauge "backline_password_hashes_waiting" "backline.password_hashes_waiting" "{hash}" [] "Callers that wait for one";
    Counter "backline_password_hashes_refused_total" "backline.password_hashes_refused" "{hash}"
        [] "Callers refused because too many waited";
    Counter "backline_challenge_solutions_total" "backline.challenge_solutions" "{solution}"
        ["outcome"] "Solved challenges, right and wrong";
    Counter "backline_breached_list_errors_total" "backline.breached_list_errors" "{error}"
        [] "Times that the list of breached passwords could not be read";
    Gauge "backline_dependency_up" "backline.dependency_up" "1"
        ["part"] "Whether a part that the server depends on answers: 1 or 0";
    Gauge "backline_clock_skew_seconds" "backline.clock_skew" "s"
        [] "How far this machine's clock is ahead of the database's";
    Counter "backline_streams_cut_total" "backline.streams_cut" "{stream}"
        [] "Streams cut off because their client took nothing for too long";
    Gauge "backline_db_pool_connections" "backline.db_pool_connections" "{connection}"
        ["pool", "state"] "Connections of a pool: idle, used, and the most there may be";
    Gauge "backline_db_pool_waiting" "backline.db_pool_waiting" "{caller}" ["pool"] "Callers that wait for a connection";
    Histogram "backline_db_acquire_duration_seconds" "backline.db_acquire_duration" "s"
        ["pool"] "Time until a connection was there";
    Counter "backline_db_acquire_timeouts_total" "backline.db_acquire_timeouts" "{caller}"
        ["pool"] "Callers that got no connection in time";
    Counter "backline_redis_commands_total" "backline.redis_commands" "{command}"
        ["command", "outcome"] "Commands sent to Redis, by how they ended";
    Histogram "backline_redis_command_duration_seconds" "backline.redis_command_duration" "s"
        ["command"] "Time until Redis answered";
    Gauge "backline_redis_breaker_open" "backline.redis_breaker_open" "1"
        [] "Whether Redis is not asked because it failed: 1 or 0";
    Counter "backline_redis_fallbacks_total" "backline.redis_fallbacks" "{check}"
        [] "Limits checked by this instance alone because Redis did not answer";
    Counter "backline_redis_news_lost_total" "backline.redis_news_lost" "{message}"
        [] "News for other instances that were dropped";
    Counter "backline_redis_news_refused_total" "backline.redis_news_refused" "{message}"
        [] "News that could not be opened: from other keys, or forged";
    Gauge "backline_tls_certificate_expires_timestamp_seconds" "backline.tls_certificate_expires_timestamp" "s"
        [] "When the certificate in use ends, as Unix time";
    Counter "backline_tls_reloads_refused_total" "backline.tls_reloads_refused" "{reload}"
        [] "New certificates that could not be used; the old one stays";
    Counter "backline_tls_handshakes_failed_total" "backline.tls_handshakes_failed" "{handshake}"
        ["port"] "TLS handshakes that failed, on the main and the admin port";
    Gauge "backline_backup_last_success_timestamp_seconds" "backline.backup_last_success_timestamp" "s"
        [] "When the newest good backup was begun, as Unix time";
    Gauge "backline_backup_age_seconds" "backline.backup_age" "s" [] "How old the newest good backup is";
    Gauge "backline_backup_duration_seconds" "backline.backup_duration" "s" [] "How long the newest backup took";
    Gauge "backline_backup_size_bytes" "backline.backup_size" "By" [] "What the newest backup holds, shared contents included";
    Gauge "backline_backup_new_bytes" "backline.backup_new" "By" [] "What the newest backup added";
    Gauge "backline_backup_kept" "backline.backup_kept" "{backup}" [] "Good backups that are kept";
    Counter "backline_backup_failures_total" "backline.backup_failures" "{backup}" [] "Backups that failed";
    Gauge "backline_restore_drill_last_success_timestamp_seconds" "backline.restore_drill_last_success_timestamp" "s"
        [] "When a backup was last restored and checked, as Unix time";
    Gauge "backline_restore_drill_age_seconds" "backline.restore_drill_age" "s" [] "How long ago that was";
    Counter "backline_restore_drill_failures_total" "backline.restore_drill_failures" "{drill}" [] "Restore drills that failed";
    Counter "backline_audit_unsigned_total" "backline.audit_unsigned" "{row}"
        [] "Times that the end of the audit trail was not the one that was signed";
}

impl Metric {
    /// Whether it is there from the start, at zero: a counter that appears only with its first event hides that event from
    /// rates. With labels nobody knows of what; and a time or an age of nothing would be a lie.
    pub fn begins_at_zero(&self) -> bool {
        let tells_when = self.name.ends_with("_age_seconds") || self.name.ends_with("_timestamp_seconds");
        self.labels.is_empty() && self.kind != Kind::Histogram && !tells_when
    }
}

/// Tells the recorder what each of them means, and begins those that can be begun.
pub fn describe() {
    for metric in ALL {
        let plain = metric.begins_at_zero();
        match metric.kind {
            Kind::Counter => {
                describe_counter!(metric.name, metric.help);
                if plain {
                    metrics::counter!(metric.name).increment(0);
                }
            }
            Kind::Gauge => {
                describe_gauge!(metric.name, metric.help);
                if plain {
                    metrics::gauge!(metric.name).increment(0.0);
                }
            }
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// The metric that a page calls `name`.
pub fn find(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.name == name)
}

/// `rpc_method` → `rpc.method`: names of the convention have dots in OTLP, our own are the same in both.
pub fn otlp_label(label: &str) -> String {
    match label {
        "rpc_system_name" => "rpc.system.name".to_owned(),
        "rpc_method" => "rpc.method".to_owned(),
        "rpc_response_status_code" => "rpc.response.status_code".to_owned(),
        own => own.to_owned(),
    }
}
