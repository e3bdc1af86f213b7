//! The API as its protos describe it, for tests of every method there is.

use backline::{
    pb::COMMENTED_DESCRIPTORS,
    rpc::{Rpc, list::ALL},
};
use prost::Message;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type,
};

/// The files of our own package.
pub fn files() -> Vec<FileDescriptorProto> {
    let all = FileDescriptorSet::decode(COMMENTED_DESCRIPTORS).unwrap();
    all.file.into_iter().filter(|file| file.package() == "backline.v1").collect()
}

/// Every method with its path and its request's shape.
pub fn requests() -> Vec<(&'static str, Rpc, DescriptorProto)> {
    let files = files();
    let find = |name: &str| {
        let short = name.trim_start_matches(".backline.v1.");
        files.iter().flat_map(|file| &file.message_type).find(|message| message.name() == short).unwrap().clone()
    };
    ALL.iter()
        .map(|(path, rpc)| {
            let (service, name) = path.trim_start_matches("/backline.v1.").split_once('/').unwrap();
            let services = files.iter().flat_map(|file| &file.service);
            let method = services
                .filter(|known| known.name() == service)
                .flat_map(|known| &known.method)
                .find(|method| method.name() == name)
                .unwrap();
            (*path, *rpc, find(method.input_type()))
        })
        .collect()
}

/// Forged messages: encoded by hand, so that any method can be given any text.
pub struct Forger {
    messages: Vec<DescriptorProto>,
}

impl Default for Forger {
    fn default() -> Self {
        Self { messages: files().into_iter().flat_map(|file| file.message_type).collect() }
    }
}

impl Forger {
    /// A message of this shape whose texts and bytes are what `text` says, in its inner messages too.
    pub fn forge(&self, shape: &DescriptorProto, text: &mut impl FnMut(&FieldDescriptorProto) -> Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        for field in &shape.field {
            let value = match field.r#type() {
                Type::String | Type::Bytes => text(field),
                Type::Message => match self.find(field.type_name()) {
                    Some(inner) => self.forge(inner, text),
                    None => continue,
                },
                _ => continue,
            };
            prost::encoding::encode_varint(u64::try_from(field.number() << 3 | 2).unwrap(), &mut out);
            prost::encoding::encode_varint(value.len() as u64, &mut out);
            out.extend_from_slice(&value);
        }
        out
    }

    /// Ours only: a time or a field mask takes no canary.
    fn find(&self, name: &str) -> Option<&DescriptorProto> {
        let short = name.strip_prefix(".backline.v1.")?;
        self.messages.iter().find(|message| message.name() == short)
    }
}
