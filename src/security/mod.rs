//! The safety of an account: passwords, resets, a change of address, and taking changes back.
//!
//! Also the gRPC face of [`crate::accounts`], because it stands above everything that such a change touches: sessions end,
//! devices are forgotten, factors come back.

mod service;

pub use self::service::AccountRpc;
