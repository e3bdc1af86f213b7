//! Letters: written from templates, carried by a mailer.
//!
//! The embedded default carries them into a folder of `.eml` files; tests keep them in memory; SMTP will stand beside the
//! two. Queueing and sending once is [`crate::notifications`]' business: this module knows no database.

mod letter;
mod mailer;

pub use self::{
    letter::{Letter, Office, Rendered},
    mailer::{Delivered, MailError, Mailer},
};
