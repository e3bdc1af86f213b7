//! The integration tests: everything through the front door, on a real database, real files and a real server.

#[allow(dead_code, unused_imports, reason = "what the next feature's tests want is ready")]
mod harness;

mod accounts;
mod admin;
mod applications;
mod architecture;
mod artists;
mod cli;
mod contract;
mod http;
mod letters;
mod refreshes;
mod search;
mod server;
mod sessions;
mod statements;
