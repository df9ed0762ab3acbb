//! Polls several futures in one thread, in an order that a seed draws.
//!
//! A future that can't go on says so by its waker, as always. All that ever wakes one is polled or served in this thread: the
//! simulated endpoint wakes who asked it at once, and the store wakes its callers when it is served. So the same seed gives
//! the same order.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use fastrand::Rng;

/// Futures that are under way, each with a name for the diary.
pub struct Executor<'a, T> {
    tasks: Vec<Task<'a, T>>,
    /// The number of polls so far.
    polls: u32,
}

struct Task<'a, T> {
    name: String,
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
    /// The number of polls before its first one, if others can go on until then.
    starts_at: u32,
}

/// The result of one step.
pub enum Step<T> {
    /// A future was polled and is not done.
    Waits,
    /// A future is done.
    Done(T),
    /// No future can go on before something outside of them happens.
    Stuck,
    /// No future is left.
    Over,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a, T> Executor<'a, T> {
    pub fn new() -> Self {
        Executor { tasks: Vec::new(), polls: 0 }
    }

    /// Adds a future that starts after this many polls.
    pub fn add(&mut self, name: impl Into<String>, starts_at: u32, future: impl Future<Output = T> + 'a) {
        self.tasks.push(Task {
            name: name.into(),
            // Tokio's own limit of work in one turn would make a future wait that could go on.
            future: Box::pin(tokio::task::unconstrained(future)),
            woken: Arc::new(Woken(AtomicBool::new(true))),
            starts_at,
        });
    }

    /// The number of polls so far.
    pub fn polls(&self) -> u32 {
        self.polls
    }

    /// The names of those that are not done, although they have begun.
    pub fn half_way(&self) -> Vec<&str> {
        self.tasks.iter().filter(|task| task.starts_at <= self.polls).map(|task| task.name.as_str()).collect()
    }

    /// Polls one of the futures that can go on. Notes its name in `order`.
    pub fn step(&mut self, random: &mut Rng, order: &mut Vec<String>) -> Step<T> {
        let can_go_on = |task: &Task<'_, T>| task.woken.0.load(Ordering::Relaxed);
        let mut ready: Vec<usize> = (0..self.tasks.len()).filter(|at| can_go_on(&self.tasks[*at])).collect();
        if ready.iter().any(|at| self.tasks[*at].starts_at <= self.polls) {
            ready.retain(|at| self.tasks[*at].starts_at <= self.polls);
        }
        if ready.is_empty() {
            return if self.tasks.is_empty() { Step::Over } else { Step::Stuck };
        }
        let at = ready[random.usize(..ready.len())];
        self.polls += 1;
        let task = &mut self.tasks[at];
        task.starts_at = 0;
        if order.last() != Some(&task.name) {
            order.push(task.name.clone());
        }
        task.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.woken.clone());
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => {
                self.tasks.remove(at);
                Step::Done(done)
            }
            Poll::Pending => Step::Waits,
        }
    }
}

impl<T> Default for Executor<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}
