//! What people come for, told from beginning to end.

mod end_to_end;
