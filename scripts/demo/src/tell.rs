//! How the demo talks: numbered steps in plain words, progress on the long ones.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

/// Tells the story on standard output.
pub(crate) struct Teller {
    started: Instant,
    step: Cell<u32>,
    steps: u32,
}

impl Teller {
    /// A story of so many steps.
    pub(crate) fn new(steps: u32) -> Self {
        Self { started: Instant::now(), step: Cell::new(0), steps }
    }

    /// The next step begins.
    pub(crate) fn step(&self, what: &str) {
        self.step.set(self.step.get() + 1);
        println!("\n[{}/{}] {what}", self.step.get(), self.steps);
    }

    /// Something to know about the step.
    pub(crate) fn say(&self, what: &str) {
        for line in what.lines() {
            println!("      {line}");
        }
    }

    /// How far a long step is. On a terminal one line that changes; else a line each tenth.
    pub(crate) fn progress(&self, what: &str, done: u64, of: u64) {
        if stdout().is_terminal() {
            let end = if done >= of { "\n" } else { "" };
            print!("\r      {what}: {done} of {of}   {end}");
            let _ = stdout().flush();
        } else if done == of || done.is_multiple_of((of / 10).max(1)) {
            println!("      {what}: {done} of {of}");
        }
    }

    /// Since the story began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
