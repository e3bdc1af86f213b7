//! PostgreSQL as an operator meets it: what is refused at the start, what happens while it is away, several instances
//! and poolers before it. SQLite takes part where the promise is the same.

mod away;
mod pooler;
mod pools;
mod starting;
