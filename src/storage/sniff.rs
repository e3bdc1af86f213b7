//! What a file is, by its first bytes and not by its name.
//!
//! The checks are our own where `infer` is too trusting (any `ID3` is an MP3 to it) or knows too little (RF64, AIFF-C,
//! Opus); `infer` names the rest, so that a refused file can be told from another.

/// How many bytes from the start are looked at.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What the first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// One of the types that some purpose takes, under its usual name.
    Known(&'static str),
    /// Something else that can be named.
    Foreign(&'static str),
    Unknown,
}

impl Finding {
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Known(name) | Self::Foreign(name) => Some(name),
            Self::Unknown => None,
        }
    }
}

/// Looks at the first [`HEAD_BYTES`] of a file, or all of a shorter one.
pub fn sniff(head: &[u8]) -> Finding {
    if let Some(name) = container(head).or_else(|| image(head)).or_else(|| mpeg(head)) {
        return Finding::Known(name);
    }
    match infer::get(head).map(|kind| kind.mime_type()) {
        // Types of ours that failed our own, stricter look are not what they seem.
        Some(name) if !name.starts_with("audio/") && !["image/jpeg", "image/png", "image/webp"].contains(&name) => {
            Finding::Foreign(name)
        }
        _ => Finding::Unknown,
    }
}

fn container(head: &[u8]) -> Option<&'static str> {
    match (head.get(..4)?, head.get(8..12).unwrap_or_default()) {
        (b"RIFF" | b"RF64" | b"BW64", b"WAVE") if has_chunk(head, *b"fmt ", u32::from_le_bytes) => Some("audio/wav"),
        (b"FORM", b"AIFF" | b"AIFC") if has_chunk(head, *b"COMM", u32::from_be_bytes) => Some("audio/aiff"),
        // STREAMINFO, the block that must come first, is 34 bytes long (RFC 9639, 8.2).
        (b"fLaC", _)
            if head.get(4).is_some_and(|kind| kind.trailing_zeros() >= 7) && head.get(5..8) == Some(&[0, 0, 34]) =>
        {
            Some("audio/flac")
        }
        (b"OggS", _) => ogg(head),
        (b"%PDF", _) if head.get(4) == Some(&b'-') => Some("application/pdf"),
        _ if head.get(4..8) == Some(b"ftyp") => mp4(head),
        _ => None,
    }
}

/// Walks the chunks of a RIFF or IFF file after its 12-byte header. One that lies beyond the head is believed.
fn has_chunk(head: &[u8], wanted: [u8; 4], length: fn([u8; 4]) -> u32) -> bool {
    let mut at = 12_usize;
    loop {
        let Some(header) = head.get(at..at + 8) else { return head.len() >= HEAD_BYTES };
        if header[..4] == wanted {
            return true;
        }
        if !header[..4].iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return false;
        }
        let size = length([header[4], header[5], header[6], header[7]]) as usize;
        // Chunks begin at even offsets.
        at = at.saturating_add(8).saturating_add(size).saturating_add(size & 1);
        if at > head.len() && head.len() < HEAD_BYTES {
            return false;
        }
        if at >= HEAD_BYTES {
            return true;
        }
    }
}

/// The first page of an Ogg stream holds one packet that names the codec; it begins after the page's segment table.
fn ogg(head: &[u8]) -> Option<&'static str> {
    let packet = head.get(27 + usize::from(*head.get(26)?)..)?;
    (packet.starts_with(b"OpusHead") || packet.starts_with(b"\x01vorbis")).then_some("audio/ogg")
}

/// MPEG-4 with an audio brand, or a general one without a video track in sight.
fn mp4(head: &[u8]) -> Option<&'static str> {
    match head.get(8..12)? {
        b"M4A " | b"M4B " | b"M4P " => Some("audio/mp4"),
        b"isom" | b"iso2" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"dash"
            if !head.windows(4).any(|word| word == b"vide") && head.windows(4).any(|word| word == b"soun") =>
        {
            Some("audio/mp4")
        }
        _ => None,
    }
}

fn image(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xff\xd8\xff") && head.get(3).is_some_and(|marker| *marker >= 0xc0) {
        return Some("image/jpeg");
    }
    if head.starts_with(b"\x89PNG\r\n\x1a\n") && head.get(12..16) == Some(b"IHDR") {
        return Some("image/png");
    }
    let webp = head.starts_with(b"RIFF") && head.get(8..15) == Some(b"WEBPVP8");
    webp.then_some("image/webp")
}

/// MPEG layer III, with or without an `ID3v2` tag before it.
fn mpeg(head: &[u8]) -> Option<&'static str> {
    let start = if head.starts_with(b"ID3") { tag_end(head)? } else { 0 };
    let Some(frames) = head.get(start..) else {
        // A large tag (a picture) hides the frames; the tag itself was well-formed.
        return (head.len() >= HEAD_BYTES).then_some("audio/mpeg");
    };
    // Some writers pad between the tag and the first frame.
    let padding = if start == 0 { 0 } else { frames.iter().take_while(|byte| **byte == 0).count() };
    let frames = &frames[padding..];
    if frames.is_empty() {
        return (head.len() >= HEAD_BYTES && start > 0).then_some("audio/mpeg");
    }
    let length = layer_three(frames)?;
    // Two bytes in a row happen by chance; a second frame where the first one ends does not.
    match frames.get(length..length + 4) {
        Some(next) => layer_three(next).map(|_| "audio/mpeg"),
        None => Some("audio/mpeg"),
    }
}

/// Where an `ID3v2` tag ends: its size is written in four times seven bits (`ID3v2.4.0`, 3.1).
fn tag_end(head: &[u8]) -> Option<usize> {
    let header = head.get(..10)?;
    if header[3] == 0xff || header[4] == 0xff || header[6..10].iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    let size = header[6..10].iter().fold(0_usize, |size, byte| size << 7 | usize::from(*byte));
    let footer = if header[5] & 0x10 == 0 { 0 } else { 10 };
    Some(10 + size + footer)
}

/// The length of the layer III frame that begins here (ISO/IEC 11172-3, 2.4.2.3; 13818-3 for the lower rates).
fn layer_three(frame: &[u8]) -> Option<usize> {
    const FULL: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const LOW: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

    let header = frame.get(..4)?;
    let (version, layer) = (header[1] >> 3 & 3, header[1] >> 1 & 3);
    let (bitrate, rate) = (usize::from(header[2] >> 4), usize::from(header[2] >> 2 & 3));
    if header[0] != 0xff || header[1] & 0xe0 != 0xe0 || version == 1 || layer != 1 || bitrate == 0 || rate == 3 {
        return None;
    }
    let (rates, kilobits, samples) = match version {
        3 => ([44_100, 48_000, 32_000], FULL.get(bitrate)?, 144),
        2 => ([22_050, 24_000, 16_000], LOW.get(bitrate)?, 72),
        _ => ([11_025, 12_000, 8_000], LOW.get(bitrate)?, 72),
    };
    Some(samples * kilobits * 1000 / rates[rate] + usize::from(header[2] >> 1 & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_tail(head: &[u8]) -> Vec<u8> {
        let mut file = head.to_vec();
        file.resize(2000, 0);
        file
    }

    /// Two frames of 128 kbit/s at 44.1 kHz, 417 bytes each.
    fn mp3() -> Vec<u8> {
        let mut file = vec![0; 900];
        file[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        file[417..421].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        file
    }

    #[test]
    fn what_we_take_is_known() {
        let tagged = [b"ID3\x04\0\0\0\0\0\x05TAG!!".to_vec(), mp3()].concat();
        let mut opus = b"OggS\0\x02".to_vec();
        opus.resize(26, 0);
        opus.extend_from_slice(b"\x01\x13OpusHead\x01\x02");
        for (file, name) in [
            (with_tail(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"), "audio/wav"),
            (with_tail(b"RIFF\0\0\0\0WAVEJUNK\x04\0\0\0....fmt \x10\0\0\0"), "audio/wav"),
            (with_tail(b"RF64\xff\xff\xff\xffWAVEds64\x02\0\0\0..fmt \x10\0\0\0"), "audio/wav"),
            (with_tail(b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12"), "audio/aiff"),
            (with_tail(b"FORM\0\0\0\0AIFCFVER\0\0\0\x04....COMM\0\0\0\x12"), "audio/aiff"),
            (with_tail(b"fLaC\0\0\0\x22"), "audio/flac"),
            (mp3(), "audio/mpeg"),
            (tagged, "audio/mpeg"),
            (with_tail(b"\0\0\0\x20ftypM4A \0\0\0\0"), "audio/mp4"),
            (with_tail(b"\0\0\0\x20ftypisom....hdlr....soun"), "audio/mp4"),
            (opus, "audio/ogg"),
            (with_tail(b"\xff\xd8\xff\xe0"), "image/jpeg"),
            (with_tail(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png"),
            (with_tail(b"RIFF\0\0\0\0WEBPVP8L"), "image/webp"),
            (with_tail(b"%PDF-1.7\n"), "application/pdf"),
        ] {
            assert_eq!(sniff(&file), Finding::Known(name), "{:?}", &file[..16]);
        }
    }

    #[test]
    fn what_only_pretends_is_not() {
        for file in [
            b"just some text in a file called .wav".to_vec(),
            b"ID3 is what this text begins with, and no more".to_vec(),
            with_tail(b"RIFF\0\0\0\0WAVE\0\0\0\0"),
            with_tail(b"\xff\xfb\x90\x00"),
            with_tail(b"\0\0\0\x20ftypisom....hdlr....vide....soun"),
            with_tail(b"fLaCnope"),
            vec![],
            vec![0xff],
        ] {
            assert!(!matches!(sniff(&file), Finding::Known(_)), "{file:?}");
        }
        assert_eq!(sniff(&with_tail(b"PK\x03\x04....")), Finding::Foreign("application/zip"));
    }
}
