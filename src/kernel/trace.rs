//! Which trace a call belongs to: the W3C trace context (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

/// One span of somebody's trace, as a `traceparent` header names it. Displayed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSpan {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    /// Whether its trace is recorded where it began.
    pub sampled: bool,
}

impl RemoteSpan {
    /// Reads a `traceparent`; `None` for what is none. Versions after 00 may have more parts.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = bytes::<1>(version)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let [flags] = bytes::<1>(flags)?;
        let (trace, span) = (bytes::<16>(trace)?, bytes::<8>(span)?);
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for RemoteSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex::encode(self.trace), hex::encode(self.span), u8::from(self.sampled))
    }
}

/// The standard wants small letters.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    let small = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (small && hex::decode_to_slice(text, &mut out).is_ok()).then_some(out)
}

/// The trace of one call or job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The caller's, if its word counts, or a new one. Zeros where there is none.
    pub id: [u8; 16],
    /// What the caller said, believed or not.
    pub caller: Option<RemoteSpan>,
    /// Whether this goes on with the caller's trace. Otherwise it is only linked to it: strangers could join anybody's
    /// trace, and have all of theirs recorded.
    pub continues: bool,
}

impl Trace {
    pub const NONE: Self = Self { id: [0; 16], caller: None, continues: false };

    /// A trace of our own.
    pub const fn new(id: [u8; 16]) -> Self {
        Self { id, caller: None, continues: false }
    }

    /// The trace of a call whose caller sent `traceparent` and may be `trusted` or not; `id` makes a new one.
    pub fn of_call(traceparent: &str, trusted: bool, id: impl FnOnce() -> [u8; 16]) -> Self {
        let caller = RemoteSpan::parse(traceparent);
        match caller {
            Some(span) if trusted => Self { id: span.trace, caller, continues: true },
            _ => Self { id: id(), caller, continues: false },
        }
    }

    /// The id as logs write it; empty if there is none.
    pub fn id_text(&self) -> String {
        if self.id == [0; 16] { String::new() } else { hex::encode(self.id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_well_formed_trace_contexts_are_taken() {
        let span = RemoteSpan::parse(GOOD).unwrap();
        assert!(span.sampled);
        assert_eq!(span.to_string(), GOOD);
        assert!(!RemoteSpan::parse(&GOOD.replace("-01", "-02")).unwrap().sampled);
        assert!(RemoteSpan::parse(&GOOD.replacen("00-", "cc-", 1)).is_some(), "a later version");
        assert!(RemoteSpan::parse(&format!("{}-more", GOOD.replacen("00-", "cc-", 1))).is_some());
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-zz-x-01",
        ] {
            assert_eq!(RemoteSpan::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_stranger_joins_no_trace() {
        let trusted = Trace::of_call(GOOD, true, || unreachable!("the caller's is taken"));
        assert_eq!((trusted.id_text().as_str(), trusted.continues), ("4bf92f3577b34da6a3ce929d0e0e4736", true));
        let stranger = Trace::of_call(GOOD, false, || [7; 16]);
        assert_eq!((stranger.id, stranger.continues), ([7; 16], false));
        assert!(stranger.caller.is_some(), "linked");
        assert_eq!(Trace::of_call("nonsense", true, || [8; 16]), Trace::new([8; 16]));
        assert_eq!(Trace::NONE.id_text(), "");
    }
}
