//! On whose behalf a transaction works, for whoever looks at the database: PostgreSQL shows it for as long as the
//! transaction lasts, in `pg_stat_activity` and in its log.
//!
//! Statements themselves say nothing: their text must stay the same, or none would be prepared twice.

use crate::telemetry;

/// Bytes of the session's own application name that stay. With the trace's id the whole fits into the 63 that there are.
const INSTANCE: usize = 30;

/// The statement that says it; `None` beside calls and jobs. To be sent with BEGIN, as one message.
///
/// The application name becomes that of the session and the trace's id; the request's id stands in a comment.
pub(super) fn statement() -> Option<String> {
    let scope = telemetry::current()?;
    // Checked where it came in, and once more here, where it is written into SQL.
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_.:".contains(*letter);
    let request_id: String = scope.request_id().chars().filter(is_plain).collect();
    let trace_id = scope.trace_id();
    Some(format!(
        "SELECT set_config('application_name', left(current_setting('application_name'), {INSTANCE}) || ' {trace_id}', \
         true) /*request_id='{request_id}'*/"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::{Facts, Trace},
        telemetry::Scope,
    };

    #[tokio::test]
    async fn nothing_that_a_client_sends_becomes_sql() {
        assert_eq!(statement(), None);
        let facts = Facts { request_id: "*/; DROP TABLE account; --'".to_owned(), ..Facts::none() };
        let facts = Facts { trace: Trace::new([0xab; 16]), ..facts };
        let text = Scope::of(&facts).run(async { statement() }).await.unwrap();
        assert!(text.ends_with("/*request_id='DROPTABLEaccount--'*/"), "{text}");
        assert!(text.contains(&format!(" {}'", "ab".repeat(16))), "{text}");
    }
}
