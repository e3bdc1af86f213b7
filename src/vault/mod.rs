//! Secrets: the server's own keys, sealed values, tokens and password hashes.
//!
//! Everything cryptographic stands here, behind types that say what they are for; features hold no key. All of it
//! comes from vetted crates. Envelope encryption of tax forms will grow beside [`Sealer`].

mod breached;
mod calibrate;
mod key_file;
mod keys;
mod paseto;
mod passkeys;
mod passwords;
mod pool;
mod ring;
mod seal;
mod totp;

pub use self::{
    breached::{Breached, encode as encode_common},
    calibrate::{Proposal, calibrate},
    keys::{KeyFolder, KeyKind, Keys, NOTICE, PAGE_TOKEN_LIFE},
    paseto::Paseto,
    passkeys::{Asked, Assertion, Made, Passkeys, Rejected},
    passwords::{Hasher, Verdict, pepper_ids},
    pool::Unhashed,
    ring::{Key, Ring},
    seal::Sealer,
    totp::{TOTP_SECRET_BYTES, Totp},
};
