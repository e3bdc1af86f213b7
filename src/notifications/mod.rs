//! Telling people what happened: today by letter.
//!
//! Owns the table `letter`. It promises that
//!
//! - a letter is rendered and stored in the transaction of what it tells about, so neither exists without the other;
//! - a letter goes out once, however often its job runs;
//! - its text is sealed while it waits, and deleted once it is sent.

mod jobs;
mod letters;

pub use self::{
    jobs::SendLetter,
    letters::{post, recipient_mac},
};
