//! The reviewers' queue: order and pages.

use backline::entity::submission;
use pb::SubmissionState as S;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
};

use crate::harness::*;

async fn page(who: &Actor, page_size: i32, token: &str) -> Result<pb::ListQueueResponse, Status> {
    let request = pb::ListQueueRequest { page_size, page_token: token.to_owned() };
    Ok(who.review().list_queue(request).await?.into_inner())
}

fn ids(page: &pb::ListQueueResponse) -> Vec<String> {
    page.submissions.iter().map(|submission| submission.submission_id.clone()).collect()
}

/// Sets a priority: there is no method for that yet.
async fn hurry(studio: &Studio, id: &str, priority: i64) {
    let row =
        submission::ActiveModel { id: Unchanged(id.parse().unwrap()), priority: Set(priority), ..Default::default() };
    row.update(&studio.world.app().db.write_one()).await.unwrap();
}

async fn walk(who: &Actor, page_size: i32) -> Vec<String> {
    let (mut walked, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(who, page_size, &token).await.unwrap();
        walked.extend(ids(&page));
        token = page.next_page_token;
        if token.is_empty() {
            return walked;
        }
    }
}

#[tokio::test]
async fn the_urgent_come_first_then_those_who_wait_longest() {
    let studio = Studio::open().await;
    let mut made = Vec::new();
    for state in [S::Submitted, S::InReview, S::Submitted, S::Submitted, S::Submitted] {
        made.push(studio.submission(state, &format!("Song {}", made.len())).await.submission_id);
    }
    // None of these waits for a decision.
    for state in [S::Draft, S::Approved, S::Rejected, S::Withdrawn, S::Published] {
        studio.submission(state, "Elsewhere").await;
    }
    assert_eq!(walk(&studio.rui, 0).await, made);
    hurry(&studio, &made[4], 5).await;
    hurry(&studio, &made[2], 5).await;
    hurry(&studio, &made[0], -1).await;
    let order = [2, 4, 1, 3, 0].map(|place| made[place].clone());
    for page_size in [1, 2, 3, 5, 200] {
        assert_eq!(walk(&studio.rui, page_size).await, order, "pages of {page_size}");
    }

    // Each row comes with what tells it apart.
    let whole = page(&studio.rui, 0, "").await.unwrap();
    assert_eq!(whole.items.len(), 5);
    for (item, submission) in whole.items.iter().zip(&whole.submissions) {
        assert_eq!(item.submission.as_ref(), Some(submission));
        let track = studio.rui.read_track(&submission.track_id).await.unwrap();
        assert_eq!(item.track.as_ref(), Some(&track));
        let artist = item.artist.as_ref().unwrap();
        assert_eq!((artist.artist_id.as_str(), artist.stage_name.as_str()), (&*studio.artist_id, "The Examples"));
    }
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn those_of_one_moment_are_told_apart_by_their_ids() {
    let studio = Studio::open().await;
    let mut made = Vec::new();
    for number in 0..6 {
        let track = studio.ana.new_track(studio.track(&format!("Song {number}"))).await.unwrap();
        let draft = studio.ana.offer(&track.track_id).await.unwrap();
        made.push(studio.ana.hand_in(&draft.submission_id).await.unwrap().submission_id);
    }
    made.sort();
    assert_eq!(walk(&studio.rui, 1).await, made);
    assert_eq!(walk(&studio.rui, 4).await, made);
}

#[tokio::test]
async fn what_is_decided_meanwhile_leaves_no_gap_in_the_pages() {
    let studio = Studio::open().await;
    let mut made = Vec::new();
    for number in 0..4 {
        made.push(studio.submitted(&format!("Song {number}")).await.submission_id);
    }
    let first = page(&studio.rui, 2, "").await.unwrap();
    assert_eq!(ids(&first), made[..2]);
    studio.rui.approve(&made[1]).await.unwrap();
    let late = studio.submitted("Late").await.submission_id;
    let second = page(&studio.rui, 2, &first.next_page_token).await.unwrap();
    assert_eq!(ids(&second), made[2..]);
    let third = page(&studio.rui, 2, &second.next_page_token).await.unwrap();
    assert_eq!((ids(&third), third.next_page_token.as_str()), (vec![late], ""));

    let ivo = studio.world.reviewer("ivo").await;
    for refused in [
        page(&studio.rui, 2, &tampered(&first.next_page_token, 7)).await.unwrap_err(),
        page(&studio.rui, 2, "nonsense").await.unwrap_err(),
        page(&ivo, 2, &first.next_page_token).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    let refused = page(&studio.rui, -1, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["page_size"]);
    studio.world.run_jobs().await;
}
