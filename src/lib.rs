//! Backline: the backend of a music-submission platform.
//!
//! One binary. With no configuration it is complete on an embedded default (SQLite, local disk, letters in a folder);
//! configured, the same binary runs as many instances on PostgreSQL, Redis and an S3-compatible store.
//!
//! Where things live, from the door inwards:
//!
//! - [`cli`]: what the command line can ask for; [`server`] and [`work`]: what it then runs
//! - [`rpc`]: the path of every call, before and after its feature
//! - the features, each a folder with its gRPC face, its rules and its statements: [`accounts`], [`sessions`],
//!   [`security`], [`factors`], [`enrolment`], [`challenges`], [`service_accounts`], [`applications`], [`artists`],
//!   [`storage`], [`tracks`], [`submissions`], [`review`], [`search`], [`admin`], [`notifications`], [`audit`],
//!   [`privacy`]
//! - [`subject`]: a key per person, under which what must stay is sealed
//! - [`backup`]: copies of everything, and the way back
//! - [`fleet`]: what all instances of one database must agree on
//! - [`limits`]: how often anyone may do something
//! - [`entity`]: the tables; [`app`]: everything a use case may touch
//! - [`db`], [`objects`], [`cache`], [`mail`], [`jobs`], [`vault`], [`outgoing`]: the engines behind it
//! - [`telemetry`]: the traces and metrics that a collector is told
//! - [`pages`]: what a browser shows behind the links of letters
//! - [`config`] and [`kernel`]: settings, and small words everyone uses

pub mod accounts;
pub mod admin;
pub mod app;
pub mod applications;
pub mod artists;
pub mod audit;
pub mod backup;
pub mod cache;
pub mod challenges;
pub mod cli;
pub mod config;
pub mod db;
pub mod enrolment;
pub mod entity;
pub mod factors;
pub mod fleet;
pub mod jobs;
pub mod kernel;
pub mod limits;
pub mod logging;
pub mod mail;
pub mod notifications;
pub mod objects;
pub mod outgoing;
pub mod pages;
pub mod pb;
pub mod privacy;
pub mod review;
pub mod rpc;
pub mod search;
pub mod security;
pub mod server;
pub mod service_accounts;
pub mod sessions;
pub mod storage;
pub mod subject;
pub mod submissions;
pub mod telemetry;
pub mod tracks;
pub mod vault;
pub mod work;
