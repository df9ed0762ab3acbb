//! Asks several endpoints at the same time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

/// How long to wait for slower endpoints after enough have answered. It is shorter than a ledger. An endpoint that is
/// always slower than this never warns of danger.
const GRACE: Duration = Duration::from_secs(1);

/// Questions under way and their answers, in the same order.
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

    /// Waits until `enough` answers that count have come, or all have come.
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

/// Runs all futures at the same time. Returns their results in order, with `None` for those that had no result
/// [`GRACE`] after `enough` results that count had come.
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
    async fn an_endpoint_that_hangs_is_not_waited_for_once_enough_have_answered() {
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
