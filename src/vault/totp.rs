//! Codes of authenticator apps: RFC 6238 with SHA-1, six digits, steps of 30 s, which is what every app knows.

use totp_rs::{Algorithm, Builder};

use crate::kernel::{EmailAddress, Timestamp};

/// Bytes of a secret: as many as SHA-1 gives (RFC 4226, 4, R6).
pub const TOTP_SECRET_BYTES: usize = 20;

/// The app's name for us.
const ISSUER: &str = "Backline";
const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
/// Steps that a phone's clock may be off, each way (RFC 6238, 5.2).
const SKEW: u16 = 1;

/// The secret that an app and the server share.
#[derive(Clone)]
pub struct Totp(totp_rs::Totp);

impl Totp {
    pub fn new(secret: &[u8]) -> Self {
        Self(Self::builder(secret, DIGITS).build_noncompliant())
    }

    fn builder(secret: &[u8], digits: u8) -> Builder {
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(digits);
        builder.with_skew(SKEW).with_step_duration(STEP_SECONDS).with_secret(secret.to_vec())
    }

    /// The step whose code this is: the one of `now`, or its neighbour. `None` if it is no such code.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let well_formed = code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = u64::try_from(now.micros() / 1_000_000).ok()?;
        let step = well_formed.then(|| self.0.check(code, seconds))??;
        i64::try_from(step).ok()
    }

    /// The secret as people type it: base32 without padding.
    pub fn base32(&self) -> String {
        self.0.secret().to_base32()
    }

    /// What the app reads from a QR code. `account` tells the person's accounts apart in it.
    pub fn uri(&self, account: &EmailAddress) -> String {
        // A colon would end the label's first half.
        let label = account.expose().replace(':', "");
        let named = Self::builder(self.0.secret().as_bytes(), DIGITS).with_issuer(Some(ISSUER));
        named.with_account_name(label).build_noncompliant().to_url().unwrap_or_default()
    }
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Totp(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8; 20] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// RFC 6238, appendix B: the rows of SHA-1, which have eight digits.
    #[test]
    fn the_published_vectors_hold() {
        let rows = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (seconds, code) in rows {
            assert_eq!(Totp::builder(SECRET, 8).build_noncompliant().generate(seconds).to_string(), code);
            // Six digits are the last six of the eight (RFC 4226, 5.3).
            let seconds = i64::try_from(seconds).unwrap();
            assert_eq!(Totp::new(SECRET).step_of(&code[2..], at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_one_step_and_no_more() {
        let totp = Totp::new(SECRET);
        let code = "287082";
        assert_eq!(totp.step_of(code, at(59)), Some(1));
        assert_eq!(totp.step_of(code, at(0)), Some(1), "a phone that is ahead");
        assert_eq!(totp.step_of(code, at(89)), Some(1), "a phone that is behind");
        assert_eq!(totp.step_of(code, at(90)), None);
        for wrong in ["287083", "28708", "2870822", "28708a", "٢٨٧٠٨٢", "", "      "] {
            assert_eq!(totp.step_of(wrong, at(59)), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_reads_the_same_secret() {
        let totp = Totp::new(SECRET);
        assert_eq!(totp.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = totp.uri(&"ana@example.org".parse().unwrap());
        assert!(uri.starts_with("otpauth://totp/Backline:ana%40example.org?"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") && uri.contains("issuer=Backline"), "{uri}");
        assert_eq!(format!("{totp:?}"), "Totp(…)");
    }
}
