//! Asking several endpoints at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

/// How long the slower endpoints are waited for, once enough have answered. Shorter than a ledger; an endpoint that is
/// always slower than this warns of nothing.
const GRACE: Duration = Duration::from_secs(1);

/// Questions under way, and what came of them, in the same order.
struct Round<T, F> {
    waiting: Vec<Option<Pin<Box<F>>>>,
    answers: Vec<Option<T>>,
}

impl<T, F: Future<Output = T>> Round<T, F> {
    fn poll(&mut self, context: &mut Context<'_>) {
        for (waits, answer) in self.waiting.iter_mut().zip(&mut self.answers) {
            if let Some(future) = waits
                && let Poll::Ready(came) = future.as_mut().poll(context)
            {
                (*waits, *answer) = (None, Some(came));
            }
        }
    }

    /// Waits until so many answers that count are there, or none is to come any more.
    async fn until(&mut self, enough: usize, counts: impl Fn(&T) -> bool) {
        poll_fn(|context| {
            self.poll(context);
            let over = self.waiting.iter().all(Option::is_none);
            match over || self.answers.iter().flatten().filter(|answer| counts(answer)).count() >= enough {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// Runs all futures at once. Returns what came, in their order; `None` for those that had not answered a second after
/// `enough` answers that count were there.
pub(super) async fn all<T, F: Future<Output = T>>(
    futures: Vec<F>,
    enough: usize,
    counts: impl Fn(&T) -> bool,
) -> Vec<Option<T>> {
    let waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let answers = waiting.iter().map(|_| None).collect();
    let mut round = Round { waiting, answers };
    round.until(enough, counts).await;
    let _ = timeout(GRACE, round.until(usize::MAX, |_| true)).await;
    round.answers
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    type Answer = Pin<Box<dyn Future<Output = u8>>>;

    fn answers(value: u8) -> Answer {
        Box::pin(ready(value))
    }

    #[tokio::test]
    async fn who_hangs_is_not_waited_for_once_enough_have_answered() {
        let late: Answer = Box::pin(async {
            tokio::time::sleep(GRACE / 2).await;
            3
        });
        let came = all(vec![answers(1), Box::pin(pending()), answers(2), late], 2, |_| true).await;
        assert_eq!(came, [Some(1), None, Some(2), Some(3)]);
    }

    #[tokio::test]
    async fn answers_that_do_not_count_are_not_enough() {
        let late: Answer = Box::pin(async {
            tokio::time::sleep(GRACE * 2).await;
            7
        });
        assert_eq!(all(vec![answers(0), late], 1, |answer| *answer > 0).await, [Some(0), Some(7)]);
    }
}
