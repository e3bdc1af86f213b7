//! What reading the trail, exports of data and deletions cost.

use super::Meter;
use crate::harness::*;

pub async fn trail(meter: &mut Meter<'_>, sam: &Actor) {
    let list = pb::ListEventsRequest { page_size: 10, ..Default::default() };
    let listed = meter.of("AuditService/ListEvents", sam.audit().list_events(list)).await.into_inner();
    let walk = pb::VerifyChainRequest { to_sequence: 10, ..Default::default() };
    meter.of("AuditService/VerifyChain", sam.audit().verify_chain(walk)).await;
    let after_sequence = listed.events[9].sequence;
    let export = pb::ExportEventsRequest { after_sequence, reason: "A test.".into() };
    let whole = async {
        let mut stream = sam.audit().export_events(export).await?.into_inner();
        while stream.message().await?.is_some() {}
        Ok(())
    };
    meter.of("AuditService/ExportEvents", whole).await;
}

/// A copy of what is held of somebody, and the end of it.
pub async fn data(meter: &mut Meter<'_>, world: &World, round: usize) {
    let leaver = world.account(&format!("leaver{round}")).await;
    let start = pb::StartDataExportRequest::default();
    let begun = meter.of("AccountService/StartDataExport", leaver.accounts().start_data_export(start)).await;
    let export = begun.into_inner().export.unwrap();
    world.run_jobs().await;
    let read = pb::GetDataExportRequest { export_id: export.export_id.clone() };
    meter.of("AccountService/GetDataExport", leaver.accounts().get_data_export(read)).await;
    let download = pb::DownloadDataExportRequest { export_id: export.export_id, offset: 0 };
    let whole = async {
        let mut stream = leaver.accounts().download_data_export(download).await?.into_inner();
        while stream.message().await?.is_some() {}
        Ok(())
    };
    meter.of("AccountService/DownloadDataExport", whole).await;
    let delete = pb::DeleteAccountRequest::default();
    meter.of("AccountService/DeleteAccount", leaver.accounts().delete_account(delete)).await;
    let token = world.newest_letter_to(&leaver.email).await.token().to_owned();
    let cancel = pb::CancelDeletionRequest { token, ..Default::default() };
    meter.of("AccountService/CancelDeletion", world.anonymous().accounts().cancel_deletion(cancel)).await;
}
