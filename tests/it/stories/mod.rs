//! What people come for, told from beginning to end.

pub mod end_to_end;
