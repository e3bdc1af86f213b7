//! A copy of what is held of a person, the end of it, and the trail's own export.

use super::Walk;
use crate::harness::*;

pub async fn walk(walk: &mut Walk<'_>, root: &Actor) {
    let (world, nobody) = (walk.world, walk.world.anonymous());
    let ida = world.account("ida").await;
    let request = pb::StartDataExportRequest::default();
    let export_id = walk.act(&ida, request, calls!(accounts.start_data_export)).await.export.unwrap().export_id;
    world.run_jobs().await;
    let request = pb::DownloadDataExportRequest { export_id, offset: 0 };
    walk.act(&ida, request, calls!(accounts.download_data_export)).await;
    walk.act(&ida, pb::DeleteAccountRequest::default(), calls!(accounts.delete_account)).await;
    let token = world.newest_letter_to("ida@example.org").await.token().to_owned();
    let request = pb::CancelDeletionRequest { token, ..Default::default() };
    walk.act(&nobody, request, calls!(accounts.cancel_deletion)).await;
    world.run_jobs().await;
    let request = pb::ExportEventsRequest { reason: "The yearly look".into(), ..Default::default() };
    walk.act(root, request, calls!(audit.export_events)).await;
}
