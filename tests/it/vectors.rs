//! Published test vectors: what others computed must come out of the libraries as we use them.
//!
//! Those of PASETO and PASERK ship inside the package `pasetors`, where `cargo metadata` finds them.

use std::{path::PathBuf, process::Command};

use argon2::{Algorithm, Argon2, ParamsBuilder, Version};
use backline::vault::Ring;
use pasetors::{
    Local, Public,
    keys::{AsymmetricPublicKey, AsymmetricSecretKey, SymmetricKey},
    paserk::{FormatAsPaserk, Id},
    token::UntrustedToken,
    version4::{LocalToken, PublicToken, V4},
};
use serde_json::Value;

/// The folder of the vectors.
fn folder() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        // Packages of other platforms were never downloaded.
        .args(["metadata", "--format-version=1", "--offline", "--filter-platform=host-tuple", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let pasetors = packages.iter().find(|package| package["name"] == "pasetors").unwrap();
    let manifest = PathBuf::from(pasetors["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("test_vectors")
}

/// The vectors of one file.
fn vectors(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let vectors = document["tests"].as_array().unwrap().clone();
    assert!(vectors.len() >= 3, "{file} has {}", vectors.len());
    vectors
}

fn bytes(vector: &Value, field: &str) -> Option<Vec<u8>> {
    vector[field].as_str().map(|text| hex::decode(text).unwrap())
}

/// The payload of a vector's token, if it opens.
fn opened(vector: &Value) -> Option<String> {
    let text = |field: &str| vector[field].as_str().unwrap_or_default();
    let footer = Some(text("footer").as_bytes()).filter(|footer| !footer.is_empty());
    let assertion = Some(text("implicit-assertion").as_bytes());
    // A failing vector offers a token of the wrong kind; the vector's own key decides how it is read.
    let payload = if let Some(key) = bytes(vector, "public-key") {
        let token = UntrustedToken::<Public, V4>::try_from(text("token")).ok()?;
        PublicToken::verify(&AsymmetricPublicKey::<V4>::from(&key).ok()?, &token, footer, assertion).ok()?
    } else {
        let token = UntrustedToken::<Local, V4>::try_from(text("token")).ok()?;
        let key = SymmetricKey::<V4>::from(&bytes(vector, "key")?).ok()?;
        LocalToken::decrypt(&key, &token, footer, assertion).ok()?
    };
    Some(payload.payload().to_owned())
}

#[test]
fn the_vectors_of_paseto_hold() {
    let (mut held, mut failed) = (0, 0);
    for vector in vectors("v4.json") {
        let payload = opened(&vector);
        if vector["expect-fail"] == true {
            assert_eq!(payload, None, "{}", vector["name"]);
            failed += 1;
        } else {
            assert_eq!(payload.as_deref(), vector["payload"].as_str(), "{}", vector["name"]);
            held += 1;
        }
    }
    assert!(held >= 12 && failed >= 5, "{held} and {failed}");
}

#[test]
fn signed_tokens_are_made_as_specified() {
    let mut made = 0;
    for vector in vectors("v4.json").iter().filter(|vector| vector["name"].as_str().unwrap().starts_with("4-S-")) {
        let text = |field: &str| vector[field].as_str().unwrap().as_bytes();
        let key = AsymmetricSecretKey::<V4>::from(&bytes(vector, "secret-key").unwrap()).unwrap();
        let footer = Some(text("footer")).filter(|footer| !footer.is_empty());
        let token = PublicToken::sign(&key, text("payload"), footer, Some(text("implicit-assertion"))).unwrap();
        assert_eq!(Some(token.as_str()), vector["token"].as_str());
        made += 1;
    }
    assert_eq!(made, 3);
}

fn written(key: &impl FormatAsPaserk) -> String {
    let mut text = String::new();
    key.fmt(&mut text).unwrap();
    text
}

/// A kind of PASERK: how bytes are written, and which bytes a text stands for.
struct Kind {
    file: &'static str,
    write: fn(&[u8]) -> Option<String>,
    read: Option<Read>,
}

type Read = fn(&str) -> Option<Vec<u8>>;

const KINDS: [Kind; 6] = [
    Kind {
        file: "k4.local",
        write: |key| SymmetricKey::<V4>::from(key).ok().map(|key| written(&key)),
        read: Some(|text| SymmetricKey::<V4>::try_from(text).ok().map(|key| key.as_bytes().to_vec())),
    },
    Kind {
        file: "k4.public",
        write: |key| AsymmetricPublicKey::<V4>::from(key).ok().map(|key| written(&key)),
        read: Some(|text| AsymmetricPublicKey::<V4>::try_from(text).ok().map(|key| key.as_bytes().to_vec())),
    },
    Kind {
        file: "k4.secret",
        write: |key| AsymmetricSecretKey::<V4>::from(key).ok().map(|key| written(&key)),
        read: Some(|text| AsymmetricSecretKey::<V4>::try_from(text).ok().map(|key| key.as_bytes().to_vec())),
    },
    Kind {
        file: "k4.lid",
        // By our own key ring: these are the ids of our keys.
        write: |key| Some(Ring::fixed(&[key.try_into().ok()?]).active().id().to_owned()),
        read: None,
    },
    Kind {
        file: "k4.pid",
        write: |key| AsymmetricPublicKey::<V4>::from(key).ok().map(|key| written(&Id::from(&key))),
        read: None,
    },
    Kind {
        file: "k4.sid",
        write: |key| AsymmetricSecretKey::<V4>::from(key).ok().map(|key| written(&Id::from(&key))),
        read: None,
    },
];

#[test]
fn the_vectors_of_paserk_hold() {
    for kind in KINDS {
        let mut failed = 0;
        for vector in vectors(&format!("PASERK/{}.json", kind.file)) {
            let name = vector["name"].as_str().unwrap();
            let (key, text) = (bytes(&vector, "key"), vector["paserk"].as_str());
            if vector["expect-fail"] == true {
                assert_eq!(key.as_deref().and_then(kind.write), None, "{name}");
                assert_eq!(text.zip(kind.read).and_then(|(text, read)| read(text)), None, "{name}");
                failed += 1;
                continue;
            }
            let key = key.unwrap();
            // The library takes no secret key whose seed is all zeros: stricter than the specification, and as well.
            if key.len() == 64 && key[..32] == [0; 32] {
                continue;
            }
            assert_eq!((kind.write)(&key).as_deref(), text, "{name}");
            if let Some(read) = kind.read {
                assert_eq!(read(text.unwrap()), Some(key), "{name}");
            }
        }
        assert!(failed > 0, "{} has a vector that must fail", kind.file);
    }
}

/// RFC 9106, section 5.3. With memory of our own, as the hash pool does it.
#[test]
fn the_vector_of_argon2id_holds() {
    let mut params = ParamsBuilder::new();
    params.m_cost(32).t_cost(3).p_cost(4).data([4; 12].as_slice().try_into().unwrap());
    let params = params.build().unwrap();
    let mut memory = vec![argon2::Block::default(); params.block_count()];
    let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into_with_memory(&[1; 32], &[2; 16], &mut tag, &mut memory).unwrap();
    assert_eq!(hex::encode(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}
