//! Whether what is sealed opens with the keys at hand.

use sea_orm::{ConnectionTrait, DbErr};

use crate::{accounts, app::App, factors, notifications, rpc::once, subject};

/// Rows tried of each kind.
const EACH: u64 = 20;

/// Tries some rows of each sealed kind. Returns how many were tried, and a line for each that does not open.
///
/// # Errors
/// When the database fails.
pub async fn open(db: &impl ConnectionTrait, app: &App) -> Result<(u64, Vec<String>), DbErr> {
    let place = b"backup/sample";
    let sealed = app.sealer.seal(place, b"sample");
    let mut wrong = Vec::new();
    if app.sealer.open(place, &sealed).as_deref() != Some(b"sample".as_slice()) {
        wrong.push("the vault does not open what it has just sealed".to_owned());
    }
    let kinds = [
        ("subject_key", subject::sample(db, app, EACH).await?),
        ("factor", factors::sample(db, app, EACH).await?),
        ("letter", notifications::sample(db, app, EACH).await?),
        ("security_undo", accounts::sample(db, app, EACH).await?),
        ("request_record", once::sample(db, &app.repeats, EACH).await?),
    ];
    let mut tried = 1;
    for (table, opened) in kinds {
        tried += opened.len() as u64;
        let closed = opened.iter().filter(|opens| !**opens).count();
        if closed > 0 {
            wrong.push(format!("{closed} of {} sealed rows of {table} do not open with these keys", opened.len()));
        }
    }
    Ok((tried, wrong))
}
