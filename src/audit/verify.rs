//! Walking along the chain.

use sea_orm::DbErr;
use tokio::time::Instant;

use super::{
    chain::{START, Signer},
    store::{self, End, Found},
};
use crate::{app::App, kernel::Digest};

/// Rows looked at together: bounds the memory of a walk.
const BATCH: u64 = 500;

/// Which part of the chain to walk, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// First row; 1 or more.
    pub from: i64,
    /// Last row; `None` for the end.
    pub to: Option<i64>,
    /// The hash of the row before the first, if an earlier walk ended with it. Otherwise what stands there is believed.
    pub after: Option<Digest>,
    /// A walk that has come this far in time stops, and says where; it always gets a little further.
    pub until: Option<Instant>,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Rows that are as they were written.
    pub verified: i64,
    /// The hash of the last of them.
    pub last_hash: Digest,
    /// The end that the head names.
    pub head_sequence: i64,
    pub head_hash: Digest,
    /// The first row that is not as it was written.
    pub broken: Option<(i64, Problem)>,
    /// Where to go on; `None` when the walk is over.
    pub next: Option<i64>,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No row has this sequence.
    Missing,
    /// The row's hash is not that of what stands in it.
    Changed,
    /// The row does not follow the one before it.
    Unlinked,
    /// The head does not name the last row, or was not signed by this server.
    WrongHead,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is missing",
            Self::Changed => "it is not as it was written",
            Self::Unlinked => "it does not follow the row before it",
            Self::WrongHead => "it is not the end that this server signed",
        })
    }
}

/// Walks along the chain and names the first row that was changed, added or taken away.
///
/// # Errors
/// When the database fails.
pub async fn verify(app: &App, range: Range) -> Result<Finding, DbErr> {
    // The head first: rows that are appended during the walk are beyond it.
    let Some(head) = store::find_head(&app.db).await? else {
        return Ok(Finding::broken_at(1, Problem::WrongHead));
    };
    let signer = Signer::new(&app.keys);
    let mut finding = Finding {
        verified: 0,
        last_hash: START,
        head_sequence: head.sequence,
        head_hash: head.hash,
        broken: None,
        next: None,
    };
    let first = range.from.max(1);
    let last = range.to.map_or(head.sequence, |to| to.min(head.sequence));
    match start(app, range, first).await? {
        Ok(hash) => finding.last_hash = hash,
        Err(problem) => finding.broken = Some((first - 1, problem)),
    }
    let mut at = first - 1;
    while finding.broken.is_none() && at < last {
        if at >= first && range.until.is_some_and(|until| Instant::now() >= until) {
            finding.next = Some(at + 1);
            return Ok(finding);
        }
        let rows = store::list_after(&app.db, at, BATCH).await?;
        let before = at;
        for found in rows.iter().take_while(|found| found.row.sequence <= last) {
            if let Some(broken) = judge(&signer, found, at + 1, finding.last_hash) {
                finding.broken = Some(broken);
                return Ok(finding);
            }
            (at, finding.last_hash) = (found.row.sequence, found.row.hash);
            finding.verified += 1;
        }
        if at == before {
            finding.broken = Some((at + 1, Problem::Missing));
        }
    }
    if finding.broken.is_none() && last == head.sequence {
        finding.broken = judge_end(app, &finding, signer.is_signed(End::from(&head))).await?;
    }
    Ok(finding)
}

impl Finding {
    const fn broken_at(sequence: i64, problem: Problem) -> Self {
        Self {
            verified: 0,
            last_hash: START,
            head_sequence: 0,
            head_hash: START,
            broken: Some((sequence, problem)),
            next: None,
        }
    }
}

/// The hash that the first row of a walk must follow.
async fn start(app: &App, range: Range, first: i64) -> Result<Result<Digest, Problem>, DbErr> {
    if first == 1 {
        return Ok(Ok(START));
    }
    if let Some(hash) = range.after {
        return Ok(Ok(hash));
    }
    let before = store::list_after(&app.db, first - 2, 1).await?.pop();
    Ok(match before.filter(|found| found.row.sequence == first - 1) {
        Some(found) if found.is_whole => Ok(found.row.hash),
        Some(_) => Err(Problem::Changed),
        None => Err(Problem::Missing),
    })
}

/// What is wrong with a row that should stand at `sequence` and follow `previous`.
fn judge(signer: &Signer, found: &Found, sequence: i64, previous: Digest) -> Option<(i64, Problem)> {
    let row = &found.row;
    if row.sequence != sequence {
        Some((sequence, Problem::Missing))
    } else if !found.is_whole || signer.hash(row) != row.hash {
        Some((sequence, Problem::Changed))
    } else if row.previous_hash != previous {
        Some((sequence, Problem::Unlinked))
    } else {
        None
    }
}

/// What is wrong with the end of the chain, which the walk has reached.
async fn judge_end(app: &App, finding: &Finding, is_signed: bool) -> Result<Option<(i64, Problem)>, DbErr> {
    let end = finding.head_sequence;
    if finding.last_hash != finding.head_hash || !is_signed {
        // An end without any row has no row to name.
        return Ok(Some((end.max(1), Problem::WrongHead)));
    }
    // A row beyond the head that was read is one appended meanwhile, or one that never was: the head tells.
    let beyond = store::list_after(&app.db, end, 1).await?.pop();
    let Some(Found { row, .. }) = beyond else { return Ok(None) };
    let head = store::find_head(&app.db).await?.map_or(0, |head| head.sequence);
    Ok((row.sequence > head).then_some((row.sequence, Problem::WrongHead)))
}
