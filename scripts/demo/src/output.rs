//! The demo's output: numbered steps, and the progress of the long ones.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

/// Prints the demo's steps on standard output.
pub(crate) struct Output {
    started: Instant,
    step: Cell<u32>,
    steps: u32,
}

impl Output {
    /// Output of a demo that has `steps` steps. Its clock starts now.
    pub(crate) fn new(steps: u32) -> Self {
        Self { started: Instant::now(), step: Cell::new(0), steps }
    }

    /// Prints the headline of the next step.
    pub(crate) fn step(&self, headline: &str) {
        self.step.set(self.step.get() + 1);
        println!("\n[{}/{}] {headline}", self.step.get(), self.steps);
    }

    /// Prints text that belongs to the current step.
    pub(crate) fn print(&self, text: &str) {
        for line in text.lines() {
            println!("      {line}");
        }
    }

    /// Prints how far a long step is. On a terminal this is one line that changes; elsewhere it is a line for each tenth.
    pub(crate) fn progress(&self, what: &str, done: u64, all: u64) {
        if stdout().is_terminal() {
            let end = if done >= all { "\n" } else { "" };
            print!("\r      {what}: {done} of {all}   {end}");
            let _ = stdout().flush();
        } else if done == all || done.is_multiple_of((all / 10).max(1)) {
            println!("      {what}: {done} of {all}");
        }
    }

    /// The time since the demo began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
