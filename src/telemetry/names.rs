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
    Counter "backline_audit_unsigned_total" "backline.audit_unsigned" "{row}"
        [] "Times that the end of the audit trail was not the one that was signed";
}

/// Tells the recorder what each of them means, and begins those without labels at zero: a counter that appears only with
/// its first event hides that event from rates.
pub fn describe() {
    for metric in ALL {
        let plain = metric.labels.is_empty();
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
