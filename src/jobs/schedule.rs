//! Work that recurs.

use std::{future::Future, pin::Pin, time::Duration};

use sea_orm::DbErr;

use super::{Job, store};
use crate::{app::App, db::WriteTx};

type Enqueue = for<'a> fn(&'a App, &'a WriteTx) -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;

/// A job that is enqueued again and again, by whichever instance notices first that it is time.
#[derive(Clone, Copy)]
pub struct Schedule {
    name: &'static str,
    every: Duration,
    enqueue: Enqueue,
}

impl Schedule {
    /// A job without parameters, each `every`.
    pub fn every<J: Job + Default>(every: Duration) -> Self {
        Self {
            name: J::NAME,
            every,
            enqueue: |app, tx| Box::pin(async move { app.queue.enqueue(tx, &J::default()).await }),
        }
    }

    /// Enqueues what is due among `schedules`. A schedule met for the first time is due one period from now.
    pub(super) async fn enqueue_due(schedules: &[Self], app: &App) -> Result<(), DbErr> {
        let known = store::list_schedules(&app.db).await?;
        let now = app.clock.now();
        for schedule in schedules {
            match known.iter().find(|row| row.name == schedule.name) {
                None => store::insert_schedule(&app.db, schedule.name, now + schedule.every).await?,
                Some(row) if row.next_run_at <= now => {
                    let tx = app.db.begin_write().await?;
                    if store::update_schedule(&tx, schedule.name, now, schedule.every).await? {
                        (schedule.enqueue)(app, &tx).await?;
                    }
                    tx.commit().await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
