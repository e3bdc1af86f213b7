//! Artists: who publishes.

mod standing;
mod store;

pub use self::{
    standing::{Standing, find_standing, with_standing},
    store::is_member,
};
