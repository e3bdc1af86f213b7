//! Artists: who publishes.

mod store;

pub use self::store::is_member;
