//! Backups: what was acknowledged is in them, whatever is wrong with one is refused, and they take care of themselves.

mod older;
mod refusing;
mod scheduling;
mod shelf;
mod verifying;
mod working;
