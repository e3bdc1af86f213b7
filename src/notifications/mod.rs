//! Telling people what happened: today by letter.
//!
//! Owns the table `letter`. It promises that
//!
//! - a letter is rendered and stored in the transaction of what it tells about, so neither exists without the other;
//! - a letter that went out is not sent again, however often its job runs (over SMTP a lost acknowledgement may send it
//!   twice, with the same `Message-ID`);
//! - while the mail server is away it is tried again for four days; what the server refuses for good, or not in that time, is
//!   abandoned: told in the log, counted in `backline_letters_total`, and seen in the table;
//! - its text is sealed while it waits, and deleted once it is sent or abandoned; 30 days later nothing is left of it.

mod jobs;
mod letters;

pub use self::{
    jobs::{SendLetter, SweepLetters},
    letters::{Reader, keep_letters, post, recipient_mac, sample},
};
