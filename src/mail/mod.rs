//! Letters: written from templates, carried by a mailer.
//!
//! - `letter`: every letter there is; `office`: turns it into a message in the reader's language
//! - `mailer`: into a folder of `.eml` files (the embedded default), into memory (tests), or by `smtp` to a mail server
//!
//! Queueing and sending once is [`crate::notifications`]' business: this module knows no database.
//!
//! Every letter is about something that the reader did or must know, so none has a `List-Unsubscribe` header; letters
//! that one may do without will bring one.

mod letter;
mod mailer;
mod office;
mod smtp;

pub use self::{
    letter::Letter,
    mailer::{Delivered, MailError, Mailer},
    office::{Office, Rendered},
    smtp::Smtp,
};
