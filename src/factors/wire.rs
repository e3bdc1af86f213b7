//! Factors as people and devices give them, in whichever message.

use super::Given;
use crate::{rpc::Fields, vault::Assertion};

const MAX_RECOVERY_CODE: usize = 64;
const MAX_CREDENTIAL_BYTES: usize = 65_536;

/// `totp_code`: 6 digits; spaces do not matter.
pub fn totp(fields: &mut Fields, code: &str) -> Option<Given> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let well_formed = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    fields.expect(well_formed, "totp_code", "must be 6 digits");
    well_formed.then(|| Given::totp(digits))
}

/// `recovery_code`: case, spaces and hyphens do not matter.
pub fn recovery_code(fields: &mut Fields, code: &str) -> Option<Given> {
    let fits = !code.is_empty() && code.len() <= MAX_RECOVERY_CODE;
    fields.expect(fits, "recovery_code", "must have 1 to 64 characters");
    let letters = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
    fits.then(|| Given::recovery_code(letters.collect()))
}

/// `passkey_credential`: the JSON of an assertion.
pub fn passkey(fields: &mut Fields, json: &str) -> Option<Given> {
    if json.len() > MAX_CREDENTIAL_BYTES {
        fields.refuse("passkey_credential", "must have at most 65536 bytes");
        return None;
    }
    let parsed = Assertion::parse(json).ok_or("must be the JSON of a public-key credential with an assertion");
    fields.read("passkey_credential", parsed).map(|answer| Given::Passkey(Box::new(answer)))
}
