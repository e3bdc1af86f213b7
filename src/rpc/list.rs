//! The list of all methods, written by `build.rs` from the protos.

/// What a request message tells about itself.
pub trait RpcRequest: prost::Message {
    /// The method that takes this message.
    const RPC: Rpc;

    /// The client's id for this attempt and its repeats; empty if it gave none or the method has none.
    fn request_id(&self) -> &str;
}

#[allow(clippy::unnecessary_literal_bound, reason = "generated code")]
mod generated {
    use super::RpcRequest;

    include!(concat!(env!("OUT_DIR"), "/rpc.rs"));
}

pub use generated::{ALL, READS, Rpc};

impl Rpc {
    /// `/backline.v1.TrackService/GetTrack` → its entry.
    pub fn find(path: &str) -> Option<Self> {
        ALL.iter().find(|(known, _)| *known == path).map(|(_, rpc)| *rpc)
    }

    /// Whether the proto declares the method free of side effects.
    pub fn only_reads(self) -> bool {
        READS.contains(&self)
    }

    pub fn path(self) -> &'static str {
        ALL.iter().find(|(_, rpc)| *rpc == self).map_or("", |(path, _)| path)
    }
}
