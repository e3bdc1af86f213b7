//! Compiles `proto/` into Rust, without a protoc to install.
//!
//! Besides the messages and services this writes the descriptor set (for reflection) and `Rpc`, the list of all
//! methods, which makes the access table in `src/rpc/access.rs` exhaustive: a method without a row does not build.

#![expect(clippy::disallowed_methods, reason = "Cargo tells a build script where to write by the environment")]

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

use prost::Message;
use prost_types::{FileDescriptorSet, MethodOptions, field_descriptor_proto::Type, method_options::IdempotencyLevel};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut files: Vec<PathBuf> =
        fs::read_dir("proto/backline/v1")?.map(|entry| entry.map(|file| file.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "proto"));
    files.sort();
    let descriptors = protox::compile(&files, ["proto"])?;

    // Comments are for readers of the API, and for the test that wants one on each method; reflection does without.
    fs::write(out.join("commented.bin"), descriptors.encode_to_vec())?;
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    fs::write(out.join("bare.bin"), bare.encode_to_vec())?;
    fs::write(out.join("rpc.rs"), rpc_list(&descriptors)?)?;
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .compile_fds(descriptors)?;
    Ok(())
}

/// Writes `enum Rpc` with each method's path, and what every request message tells about itself.
fn rpc_list(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let (mut variants, mut paths, mut reads, mut requests) =
        (String::new(), String::new(), String::new(), String::new());
    let ours = descriptors.file.iter().filter(|file| file.package() == "backline.v1");
    for file in ours.clone() {
        for service in &file.service {
            for method in &service.method {
                let variant = format!("{}{}", service.name().trim_end_matches("Service"), method.name());
                let path = format!("/backline.v1.{}/{}", service.name(), method.name());
                writeln!(variants, "    /// `{path}`\n    {variant},")?;
                writeln!(paths, "    (\"{path}\", Rpc::{variant}),")?;
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                if level == Some(IdempotencyLevel::NoSideEffects) {
                    writeln!(reads, "    Rpc::{variant},")?;
                }

                let input = method.input_type().trim_start_matches(".backline.v1.");
                let repeatable = ours.clone().flat_map(|file| &file.message_type).any(|message| {
                    message.name() == input
                        && message
                            .field
                            .iter()
                            .any(|field| field.name() == "request_id" && field.r#type() == Type::String)
                });
                let body = if repeatable { "&self.request_id" } else { "\"\"" };
                writeln!(
                    requests,
                    "impl RpcRequest for crate::pb::{input} {{\n    const RPC: Rpc = Rpc::{variant};\n    fn request_id(&self) -> &str {{ {body} }}\n}}"
                )?;
            }
        }
    }
    Ok(format!(
        "/// Every method of the API.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\npub enum Rpc {{\n{variants}}}\n\n\
         /// Every method with its path on the wire.\npub const ALL: &[(&str, Rpc)] = &[\n{paths}];\n\n\
         /// The methods that are declared free of side effects.\npub const READS: &[Rpc] = &[\n{reads}];\n\n{requests}"
    ))
}
