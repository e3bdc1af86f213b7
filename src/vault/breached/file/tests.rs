use std::{fmt::Write, path::PathBuf};

use super::*;
use crate::{kernel::Password, vault::Breached};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("list")
    }

    /// Puts a file in the place of the one before, as an operator should: by renaming.
    fn put(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let new = self.0.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path()).unwrap();
        self.path()
    }
}

fn hash(password: &str) -> String {
    hex::encode_upper(Sha1::digest(password.as_bytes()))
}

/// The published form of a corpus of `count` passwords `secret 0`, `secret 1`, …
fn corpus(count: usize, end: &str) -> String {
    let mut hashes: Vec<String> = (0..count).map(|n| hash(&format!("secret {n}"))).collect();
    hashes.sort();
    hashes.iter().enumerate().fold(String::new(), |mut text, (n, hash)| {
        write!(text, "{hash}:{}{end}", n * 977 + 1).unwrap();
        text
    })
}

async fn has(list: &Breached, password: &str) -> bool {
    list.has(&Password::new(password)).await
}

#[tokio::test]
async fn a_plain_list_is_known_line_by_line() {
    let folder = Folder::new();
    let huge = "x".repeat(3_000_000);
    let path = folder.put(format!("orange submarine\r\n\n{huge}\nGreen Lighthouse\nno end of line"));
    let list = Breached::open(Some(path)).unwrap();
    for known in ["orange submarine", "green lighthouse", "Green Lighthouse", "no end of line"] {
        assert!(has(&list, known).await, "{known}");
    }
    assert!(!has(&list, "violet submarine").await);
    assert!(!has(&list, &huge[..600]).await);
}

#[tokio::test]
async fn sorted_hashes_are_found_wherever_they_lie() {
    for (count, end) in [(1, "\n"), (3, "\r\n"), (70, "\n"), (5000, "\r\n")] {
        let folder = Folder::new();
        let text = corpus(count, end);
        for text in [text.clone(), text.to_lowercase(), text.trim_end().to_owned()] {
            let list = Store::read(&folder.put(text)).unwrap();
            for n in 0..count {
                assert!(list.has(&format!("secret {n}")).unwrap(), "{n} of {count}");
            }
            for n in count..count + 200 {
                assert!(!list.has(&format!("secret {n}")).unwrap(), "{n} of {count}");
            }
            assert!(list.has("SECRET 0").unwrap(), "what is common in small letters is no better in capitals");
        }
    }
}

#[tokio::test]
async fn a_replaced_file_is_taken_and_a_malformed_one_is_not() {
    let folder = Folder::new();
    let list = Breached::open(Some(folder.put("orange submarine\n"))).unwrap();
    assert!(has(&list, "orange submarine").await);

    folder.put(corpus(3000, "\n"));
    assert!(!has(&list, "orange submarine").await);
    assert!(has(&list, "secret 7").await);

    let mut unsorted: Vec<String> = corpus(3000, "\n").lines().map(str::to_owned).collect();
    unsorted.reverse();
    let hashes_then_text = format!("{}{}", corpus(40, "\n"), "plain words\n".repeat(2000));
    let cut = &corpus(3000, "\n")[..50];
    for malformed in ["", "\n\n", &unsorted.join("\n"), &hashes_then_text, &format!("{cut}\n{}", "z".repeat(9000))] {
        folder.put(malformed);
        assert!(has(&list, "secret 7").await, "the old list stays: {:?}", &malformed[..malformed.len().min(60)]);
    }
    std::fs::remove_file(folder.path()).unwrap();
    assert!(has(&list, "secret 7").await);

    folder.put("violet submarine\n");
    assert!(has(&list, "violet submarine").await);
    assert!(!has(&list, "secret 7").await);
}

#[test]
fn a_start_with_an_unusable_file_says_so() {
    let folder = Folder::new();
    let missing = Breached::open(Some(folder.path())).unwrap_err().to_string();
    assert!(missing.contains("passwords.breached_list"), "{missing}");
    let empty = Breached::open(Some(folder.put(""))).unwrap_err().to_string();
    assert!(empty.ends_with("it is empty"), "{empty}");
}
