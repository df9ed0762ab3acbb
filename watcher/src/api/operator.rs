//! The calls that only the operator may make, on the operator's socket.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use paychan_watcher_api::{Pausing, RollbackConfirmed};

use super::Api;
use super::error::ApiError;
use super::handlers::joined;
use crate::pause::Pause;

pub(super) async fn pause(State(api): State<Arc<Api>>) -> Result<Json<Pausing>, ApiError> {
    change(api, true, Pause::begin).await
}

pub(super) async fn resume(State(api): State<Arc<Api>>) -> Result<Json<Pausing>, ApiError> {
    change(api, false, Pause::end).await
}

/// The disk may hang, so the change runs on a thread where it blocks nothing else.
async fn change(api: Arc<Api>, paused: bool, change: fn(&Pause) -> io::Result<()>) -> Result<Json<Pausing>, ApiError> {
    let changed = joined(tokio::task::spawn_blocking(move || change(&api.pause)).await)?;
    Ok(Json(Pausing { paused, not_kept: changed.err().map(|error| error.to_string()) }))
}

pub(super) async fn confirm_rollback(State(api): State<Arc<Api>>) -> Result<Json<RollbackConfirmed>, ApiError> {
    Ok(Json(api.commitments.confirm_rollbacks().await?))
}
