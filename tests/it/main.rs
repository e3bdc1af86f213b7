//! The integration tests: everything through the front door, on a real database, real files and a real server.

#[allow(dead_code, unused_imports, reason = "what the next feature's tests want is ready")]
mod harness;

mod accounts;
mod architecture;
mod cli;
mod contract;
mod http;
mod letters;
mod refreshes;
mod server;
mod sessions;
