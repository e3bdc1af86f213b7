//! The integration tests: everything through the front door, on a real database, real files and a real server.

mod harness;

mod accounts;
mod admin;
mod applications;
mod architecture;
mod artists;
mod audit;
mod audit_chain;
mod canaries;
mod cli;
mod contract;
mod cookies;
mod crash;
mod http;
mod letters;
mod limits;
mod paging;
mod plans;
mod privacy;
mod queue;
mod refreshes;
mod reviews;
mod search;
mod search_tracks;
mod server;
mod session_details;
mod session_watches;
mod sessions;
mod statements;
mod storage;
mod stories;
mod submissions;
mod tracks;
mod upgrades;
mod watches;
