//! The integration tests: everything through the front door, on a real database, real files and a real server.

mod harness;

mod accounts;
mod admin;
mod applications;
mod architecture;
mod artists;
mod audit;
mod cli;
mod contract;
mod crash;
mod factors;
mod flows;
mod http;
mod letters;
mod paging;
mod passkeys;
mod plans;
mod privacy;
mod queue;
mod refreshes;
mod reviews;
mod search;
mod search_tracks;
mod server;
mod sessions;
mod statements;
mod step_up;
mod storage;
mod stories;
mod submissions;
mod tracks;
mod watches;
