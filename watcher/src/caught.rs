//! A panic ends the step in which it happens, and nothing else: settling goes on, and the taking of money stops.
//!
//! Nobody knows what a part that panicked has left undone, so the watcher promises nothing more until a person has looked. It
//! keeps what it has promised: the settler catches a panic in each of its steps, raises an alarm, and tries the step again later.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::alarm::raise;
use crate::chain::{ChainError, ChainErrorKind};
use crate::view::View;

/// The message of a panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    /// The panic as an answer that this program does not understand.
    pub(crate) fn as_chain_error(&self, what: &'static str) -> ChainError {
        ChainError { what, kind: ChainErrorKind::Undecodable, message: self.to_string() }
    }
}

/// Runs a future to its end, or to its panic.
///
/// The caller goes on to use what the future borrowed. That is safe here: each lock in the watcher guards complete values and
/// can be taken after a panic, and each part compares the rest of its state with the chain and the store at its next turn.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(Panicked(words(panic.as_ref())))),
    })
    .await
}

/// Raises the alarm about a panic, and stops the taking of money until a restart.
pub(crate) fn report(part: &'static str, panicked: &Panicked, view: &View) {
    view.stop_taking();
    raise!(
        Panicked, part, error = %panicked,
        "a part of the watcher panicked; nothing is taken any more until a restart, and what is held is settled"
    );
}

/// Runs a part that asks the chain. A panic in it is reported, and becomes an answer that this program does not understand.
pub(crate) async fn guarded<T>(
    part: &'static str,
    view: &View,
    running: impl Future<Output = Result<T, ChainError>>,
) -> Result<T, ChainError> {
    caught(running).await.unwrap_or_else(|panicked| {
        report(part, &panicked, view);
        Err(panicked.as_chain_error(part))
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    said.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_comes_out_as_an_error_whenever_it_happens() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let at_once = caught(async { panic!("at once") }).await;
        assert_eq!(at_once, Err::<(), _>(Panicked("at once".to_owned())));
        let later = caught(async {
            tokio::task::yield_now().await;
            panic!("after {} turns", 1)
        });
        assert_eq!(later.await, Err::<(), _>(Panicked("after 1 turns".to_owned())));
    }

    #[test]
    fn a_panic_stops_the_taking() {
        let view = View::new();
        assert!(!view.has_stopped_taking());
        report("a part", &Panicked("why".to_owned()), &view);
        assert!(view.has_stopped_taking());
    }
}
