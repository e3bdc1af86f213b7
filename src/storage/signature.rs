//! Signed URLs: who may fetch which object until when, in a form that only this server can write.
//!
//! The signature also covers the stored bytes' access epoch, which is not in the URL: counting it up ends every URL that
//! is out, and the URL tells nobody how often that happened to others who own the same bytes.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, Id, ObjectId},
    },
    vault::Keys,
};

/// What a URL allows: a download cannot pass for anything else.
const SCOPE: &[u8] = b"download";

/// One permission to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub object: ObjectId,
    /// Who asked for the URL.
    pub subject: AccountId,
    /// Unix seconds.
    pub expires: i64,
    pub epoch: i64,
}

/// The part of a URL after its `?`, as it came.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Claims {
    pub expires: i64,
    pub subject: String,
    pub key: String,
    pub signature: String,
}

/// Signs and verifies.
pub struct Signer {
    key: [u8; 32],
    key_id: String,
}

impl Signer {
    pub fn new(keys: &Keys) -> Self {
        let key = keys.derived("download urls");
        let key_id = hex::encode(&Digest::mac(&key, &[b"key id"]).as_bytes()[..4]);
        Self { key, key_id }
    }

    /// The URL below `base`, which ends without a slash.
    pub fn url(&self, base: &str, grant: Grant) -> String {
        let Grant { object, subject, expires, .. } = grant;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.sign(grant).as_bytes());
        let key = &self.key_id;
        format!("{base}/objects/{object}?expires={expires}&subject={subject}&key={key}&signature={signature}")
    }

    /// Whether `claims` are ours, unchanged, about this object at this epoch, and still good at `now`.
    pub fn allows(&self, object: ObjectId, epoch: i64, claims: &Claims, now: Timestamp) -> bool {
        let Ok(subject) = AccountId::parse(&claims.subject) else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(&claims.signature) else { return false };
        let Ok(signature) = <Digest as TryFrom<&[u8]>>::try_from(&signature) else { return false };
        let grant = Grant { object, subject, expires: claims.expires, epoch };
        let fresh = claims.expires > now.micros().div_euclid(1_000_000);
        // Digests compare in constant time.
        self.key_id == claims.key && self.sign(grant) == signature && fresh
    }

    fn sign(&self, grant: Grant) -> Digest {
        let (object, subject) = (uuid::Uuid::from(grant.object), uuid::Uuid::from(grant.subject));
        Digest::mac(
            &self.key,
            &[SCOPE, object.as_bytes(), subject.as_bytes(), &grant.expires.to_be_bytes(), &grant.epoch.to_be_bytes()],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(url: &str) -> Claims {
        let query = url.split_once('?').unwrap().1;
        let field = |name: &str| {
            let pair = query.split('&').find(|pair| pair.starts_with(name)).unwrap();
            pair[name.len() + 1..].to_owned()
        };
        Claims {
            expires: field("expires").parse().unwrap(),
            subject: field("subject"),
            key: field("key"),
            signature: field("signature"),
        }
    }

    #[test]
    fn a_url_opens_one_object_for_a_while() {
        let signer = Signer { key: [7; 32], key_id: "k".into() };
        let object = ObjectId::from(uuid::Uuid::from_u128(5));
        let grant = Grant { object, subject: AccountId::from(uuid::Uuid::from_u128(6)), expires: 100, epoch: 3 };
        let url = signer.url("https://music.example", grant);
        assert!(url.starts_with("https://music.example/objects/obj_"), "{url}");
        let good = claims(&url);
        let (before, after) = (Timestamp::from_micros(99_999_999), Timestamp::from_micros(100_000_000));
        assert!(signer.allows(object, 3, &good, before));

        assert!(!signer.allows(object, 3, &good, after), "expired");
        assert!(!signer.allows(object, 4, &good, before), "revoked");
        assert!(!signer.allows(ObjectId::from(uuid::Uuid::from_u128(9)), 3, &good, before), "another object");
        assert!(!signer.allows(object, 3, &Claims { expires: 200, ..good.clone() }, before), "prolonged");
        let other = AccountId::from(uuid::Uuid::from_u128(7)).to_string();
        assert!(!signer.allows(object, 3, &Claims { subject: other, ..good.clone() }, before), "another subject");
        assert!(!signer.allows(object, 3, &Claims { key: "old".into(), ..good.clone() }, before), "another key");
        let forged = BASE64_URL_SAFE_NO_PAD.encode([0; 32]);
        assert!(!signer.allows(object, 3, &Claims { signature: forged, ..good }, before), "forged");
    }
}
