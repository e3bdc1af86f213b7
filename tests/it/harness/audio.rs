//! Audio files that are what they say they are.
//!
//! WAV is made here. FLAC and MP3 are encoded by the programs people use, `flac` and `lame`, where they are installed; a
//! test that wants one and cannot have it says so and ends.

use std::{path::Path, process::Command};

/// Samples a second.
const RATE: u32 = 22_050;

/// A mono WAV file of 16-bit PCM. Another seed is another sound, and so another file.
pub fn wav(seconds: f64, seed: u32) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds are a few samples")]
    let samples = (seconds * f64::from(RATE)) as u32;
    let data_bytes = samples * 2;
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    file.extend_from_slice(&1_u16.to_le_bytes()); // one channel
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&(RATE * 2).to_le_bytes()); // bytes a second
    file.extend_from_slice(&2_u16.to_le_bytes()); // bytes a frame
    file.extend_from_slice(&16_u16.to_le_bytes()); // bits a sample
    file.extend_from_slice(b"data");
    file.extend_from_slice(&data_bytes.to_le_bytes());
    // Noise (a linear congruential generator, Numerical Recipes), so that no encoder makes it vanish.
    let mut state = seed;
    for _ in 0..samples {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        file.extend_from_slice(&state.to_be_bytes()[..2]);
    }
    file
}

/// The same sound as FLAC; `None`, and a line that says so, where no encoder is installed.
pub fn flac(seconds: f64, seed: u32) -> Option<Vec<u8>> {
    encoded("flac", seconds, seed, |from, to| {
        let mut flac = Command::new("flac");
        flac.args(["--silent", "--force", "-o"]).arg(to).arg(from);
        flac
    })
}

/// The same sound as MP3; `None`, and a line that says so, where no encoder is installed.
pub fn mp3(seconds: f64, seed: u32) -> Option<Vec<u8>> {
    encoded("lame", seconds, seed, |from, to| {
        let mut lame = Command::new("lame");
        lame.arg("--silent").arg(from).arg(to);
        lame
    })
}

fn encoded(program: &str, seconds: f64, seed: u32, command: fn(&Path, &Path) -> Command) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("sound.wav"), folder.path().join("encoded"));
    std::fs::write(&from, wav(seconds, seed)).unwrap();
    match command(&from, &to).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            Some(std::fs::read(&to).unwrap())
        }
        Err(error) => {
            println!("skipped: {program} is not installed ({error})");
            None
        }
    }
}
