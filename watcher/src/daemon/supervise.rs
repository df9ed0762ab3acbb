//! Keeps a part of the daemon running beside the settling. A part that panics raises an alarm, and a part that panics or ends
//! is started again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use super::error::RunError;
use super::until;
use crate::caught::{caught, report};
use crate::view::View;

/// The pause before a part is started again. It is short, since the part may be the one that feeds the watchdog, and long enough
/// that a part which always panics costs little.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs a part until the daemon stops. `begin` starts the part, at first and each time it has ended or panicked.
pub(super) async fn supervised<F: Future<Output = ()>>(
    part: &'static str,
    view: Arc<View>,
    stopped: watch::Receiver<bool>,
    begin: impl Fn() -> F,
) -> Result<(), RunError> {
    keep_running(part, view, stopped, PAUSE, begin).await;
    Ok(())
}

async fn keep_running<F: Future<Output = ()>>(
    part: &'static str,
    view: Arc<View>,
    stopped: watch::Receiver<bool>,
    pause: Duration,
    begin: impl Fn() -> F,
) {
    while !*stopped.borrow() {
        match caught(async { begin().await }).await {
            Ok(()) if *stopped.borrow() => {}
            Ok(()) => warn!(part, "a part of the watcher ended, and is started again"),
            Err(panicked) => report(part, &panicked, &view),
        }
        let _ = timeout(pause, until(stopped.clone())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_stops_the_taking_and_is_started_again_until_the_daemon_stops() {
        let (stop, stopped) = watch::channel(false);
        let (view, begun) = (Arc::new(View::new()), AtomicU32::new(0));
        let part = keep_running("a part", view.clone(), stopped.clone(), Duration::ZERO, || async {
            match begun.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("at once"),
                1 => {
                    tokio::task::yield_now().await;
                    panic!("later")
                }
                2 => {}
                _ => {
                    stop.send_replace(true);
                    until(stopped.clone()).await;
                }
            }
        });
        part.await;
        assert_eq!(begun.load(Ordering::Relaxed), 4);
        assert!(view.has_stopped_taking());
    }
}
