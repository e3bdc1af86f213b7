//! Which media types a purpose takes, and the other names people use for them.

use crate::entity::upload::Purpose;

/// A media type under its usual name, and its aliases.
struct Kind {
    name: &'static str,
    aliases: &'static [&'static str],
}

const fn kind(name: &'static str, aliases: &'static [&'static str]) -> Kind {
    Kind { name, aliases }
}

const AUDIO: [Kind; 6] = [
    kind("audio/wav", &["audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav"]),
    kind("audio/aiff", &["audio/x-aiff", "audio/aif", "audio/x-aif"]),
    kind("audio/flac", &["audio/x-flac", "application/x-flac"]),
    kind("audio/mpeg", &["audio/mp3", "audio/x-mp3", "audio/mpeg3", "audio/x-mpeg-3", "audio/x-mpeg"]),
    kind("audio/mp4", &["audio/m4a", "audio/x-m4a", "audio/alac"]),
    kind("audio/ogg", &["audio/opus", "audio/vorbis", "audio/x-vorbis+ogg", "audio/x-opus+ogg", "application/ogg"]),
];

const IMAGES: [Kind; 3] =
    [kind("image/jpeg", &["image/jpg", "image/pjpeg"]), kind("image/png", &["image/x-png"]), kind("image/webp", &[])];

const DOCUMENTS: [Kind; 1] = [kind("application/pdf", &["application/x-pdf"])];

fn groups(purpose: Purpose) -> &'static [&'static [Kind]] {
    match purpose {
        Purpose::TrackAudio => &[&AUDIO],
        Purpose::Artwork => &[&IMAGES],
        Purpose::TaxForm => &[&DOCUMENTS],
        Purpose::Attachment => &[&DOCUMENTS, &IMAGES, &AUDIO],
    }
}

fn kinds(purpose: Purpose) -> impl Iterator<Item = &'static Kind> {
    groups(purpose).iter().flat_map(|group| group.iter())
}

/// The usual names of what this purpose takes.
pub fn allowed(purpose: Purpose) -> impl Iterator<Item = &'static str> {
    kinds(purpose).map(|kind| kind.name)
}

/// The usual name of `media_type`, if this purpose takes it. Case and parameters (`; codecs=…`) do not matter.
pub fn usual_name(purpose: Purpose, media_type: &str) -> Option<&'static str> {
    let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kinds(purpose).find(|kind| kind.name == bare || kind.aliases.contains(&bare.as_str())).map(|kind| kind.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_lead_to_the_usual_name() {
        assert_eq!(usual_name(Purpose::TrackAudio, "Audio/X-WAV"), Some("audio/wav"));
        assert_eq!(usual_name(Purpose::TrackAudio, "audio/ogg; codecs=opus"), Some("audio/ogg"));
        assert_eq!(usual_name(Purpose::TrackAudio, "image/png"), None);
        assert_eq!(usual_name(Purpose::Artwork, "image/svg+xml"), None);
        assert_eq!(usual_name(Purpose::Attachment, "image/png"), Some("image/png"));
        assert_eq!(usual_name(Purpose::Attachment, ""), None);
    }
}
