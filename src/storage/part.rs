//! Parts of an upload that a client puts somewhere by plain HTTP: their keys, and our own URLs for them.
//!
//! A part's key follows from its upload, its place, its bytes' checksum and the generation of its writer, by a MAC: it need
//! not be kept anywhere until the part counts, nobody else can name it, and what a writer of before sends lies apart from
//! what the present one does. A part may be put again while its URL lives, even after it was taken in; bytes that change
//! then fail the check of the whole file, which is its owner's.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    kernel::{
        Digest, Timestamp,
        ids::{Id, UploadId},
    },
    objects::ObjectKey,
    vault::Keys,
};

/// A part of an upload cannot pass for anything else.
const SCOPE: &[u8] = b"upload part";

/// A stretch of a file, as its sender knows it: `1..=8 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub offset: i64,
    pub size_bytes: i64,
    pub crc32c: u32,
}

impl Part {
    pub fn end(&self) -> i64 {
        self.offset.saturating_add(self.size_bytes)
    }
}

/// The part of a URL after its `?`, as it came.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Claims {
    pub size: i64,
    pub crc32c: u32,
    /// Of the writer that the URL was made for.
    pub generation: i64,
    /// Unix seconds.
    pub expires: i64,
    pub signature: String,
}

/// Names and signs parts.
pub struct Marker {
    key: [u8; 32],
}

impl Marker {
    pub fn new(keys: &Keys) -> Self {
        Self { key: keys.derived("upload parts") }
    }

    /// Where the part lies that this writer sends.
    pub fn key(&self, upload: UploadId, generation: i64, part: Part) -> ObjectKey {
        let mac = self.mac(b"key", upload, generation, part, 0);
        let mut mark = [0; 8];
        mark.copy_from_slice(&mac.as_bytes()[..8]);
        ObjectKey::part(upload, part.offset, mark)
    }

    /// Our own URL for the part, below `base`, which ends without a slash.
    pub fn url(&self, base: &str, upload: UploadId, generation: i64, part: Part, expires: i64) -> String {
        let Part { offset, size_bytes, crc32c } = part;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.mac(b"url", upload, generation, part, expires).as_bytes());
        format!(
            "{base}/uploads/{upload}/parts/{offset}?size={size_bytes}&crc32c={crc32c}&generation={generation}\
             &expires={expires}&signature={signature}"
        )
    }

    /// The upload and its part that a URL of ours names, if it is unchanged and still good at `now`.
    pub fn allowed(&self, upload: &str, offset: i64, claims: &Claims, now: Timestamp) -> Option<(UploadId, Part)> {
        let upload = UploadId::parse(upload).ok()?;
        let part = Part { offset, size_bytes: claims.size, crc32c: claims.crc32c };
        let signature = BASE64_URL_SAFE_NO_PAD.decode(&claims.signature).ok()?;
        let signature = <Digest as TryFrom<&[u8]>>::try_from(&signature).ok()?;
        // Digests compare in constant time.
        let ours = self.mac(b"url", upload, claims.generation, part, claims.expires) == signature;
        let fresh = claims.expires > now.micros().div_euclid(1_000_000);
        (ours && fresh).then_some((upload, part))
    }

    fn mac(&self, what: &[u8], upload: UploadId, generation: i64, part: Part, expires: i64) -> Digest {
        let numbers = [generation, part.offset, part.size_bytes, i64::from(part.crc32c), expires].map(i64::to_be_bytes);
        Digest::mac(&self.key, &[SCOPE, what, uuid::Uuid::from(upload).as_bytes(), numbers.as_flattened()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_good_for_one_part_of_one_writer_for_a_while() {
        let marker = Marker { key: [7; 32] };
        let upload = UploadId::from(uuid::Uuid::from_u128(5));
        let part = Part { offset: 8, size_bytes: 4, crc32c: 9 };
        let url = marker.url("https://music.example", upload, 2, part, 100);
        let signature = url.split_once("signature=").unwrap().1.to_owned();
        let good = Claims { size: 4, crc32c: 9, generation: 2, expires: 100, signature };
        let id = upload.to_string();
        let (before, after) = (Timestamp::from_micros(99_999_999), Timestamp::from_micros(100_000_000));
        assert_eq!(marker.allowed(&id, 8, &good, before), Some((upload, part)));
        assert_eq!(marker.allowed(&id, 8, &good, after), None, "expired");
        assert_eq!(marker.allowed(&id, 9, &good, before), None, "another place");
        let other = UploadId::from(uuid::Uuid::from_u128(6)).to_string();
        assert_eq!(marker.allowed(&other, 8, &good, before), None, "another upload");
        for bad in [
            Claims { size: 5, ..good.clone() },
            Claims { crc32c: 8, ..good.clone() },
            Claims { generation: 3, ..good.clone() },
            Claims { expires: 101, ..good.clone() },
            Claims { signature: BASE64_URL_SAFE_NO_PAD.encode([0; 32]), ..good },
        ] {
            assert_eq!(marker.allowed(&id, 8, &bad, before), None, "{bad:?}");
        }
        assert_eq!(marker.key(upload, 2, part), marker.key(upload, 2, part));
        assert_ne!(marker.key(upload, 2, part), marker.key(upload, 3, part));
        assert_ne!(marker.key(upload, 2, part), marker.key(upload, 2, Part { crc32c: 8, ..part }));
    }
}
