//! Writes structured logs, events with fields, as text for people or as JSON lines.
//!
//! The watcher does not depend on its logs: it goes on and settles while nobody reads them or they can't be written. A
//! separate thread writes them. Lines that it can't write in time are dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::notify::AlarmLayer;

/// The most lines that wait to be written, a few megabytes. Further lines are dropped.
const LINES_WAITING: usize = 8_192;

/// How long the process waits at its end for the last lines to be written.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(2);

/// Starts logging to standard output, as JSON lines if `json` is set. `RUST_LOG` sets the level, `info` by default.
/// Alarms are errors with the field `alarm`; `alarms` gets them whatever `RUST_LOG` is.
pub fn start(json: bool, alarms: Option<AlarmLayer>) -> Logs {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = !json && io::stdout().is_terminal();
    let lines = lines_to(io::stdout());
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_target(false);
    let layer = match json {
        true => layer.json().flatten_event(true).with_filter(filter).boxed(),
        false => layer.with_ansi(colours).with_filter(filter).boxed(),
    };
    // A second start in one process (in tests) keeps the first one's logger.
    let _ = tracing_subscriber::registry().with(layer).with(alarms).try_init();
    // The default hook writes to standard error, where it might wait for a reader for ever.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a part of the watcher panicked")));
    Logs(lines)
}

/// The logs of this process.
#[must_use]
pub struct Logs(Lines);

impl Logs {
    /// Waits until the last lines are written, for a limited time.
    pub fn finish(self) {
        let (done, written) = channel();
        if self.0.waiting.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES_WITHIN);
        }
    }
}

/// A message to the thread that writes.
enum Message {
    Line(Vec<u8>),
    /// Asks for an answer when all lines before this one are written.
    Flush(Sender<()>),
}

/// Hands lines to the thread that writes them, and never waits for it.
#[derive(Clone)]
struct Lines {
    waiting: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// A line that is being built. It is handed over when it is dropped.
struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
}

fn lines_to(out: impl Write + Send + 'static) -> Lines {
    let (waiting, lines) = sync_channel(LINES_WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = dropped.clone();
    // If the thread can't be started, the receiver is gone, and every line is dropped.
    let _ = std::thread::Builder::new().name("logs".to_owned()).spawn(move || write_all(out, &lines, &counted));
    Lines { waiting, dropped }
}

/// Writes one line after the other. A line that can't be written (the reader has closed, the disk is full) is lost, and
/// the next one is tried.
fn write_all(mut out: impl Write, lines: &Receiver<Message>, dropped: &AtomicU64) {
    while let Ok(message) = lines.recv() {
        let line = match message {
            Message::Line(line) => line,
            Message::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        let told = match lost {
            0 => Ok(()),
            lost => writeln!(out, "paychan-watcher: {lost} log lines were dropped, because nobody read them in time"),
        };
        let written = told.and_then(|()| out.write_all(&line)).and_then(|()| out.flush());
        if written.is_err() {
            dropped.fetch_add(lost.saturating_add(1), Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { lines: self, bytes: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.waiting.try_send(Message::Line(line))
        {
            self.lines.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use std::sync::Mutex;

    use super::*;

    /// A writer that blocks until the test releases it.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn logging_never_waits_and_dropped_lines_are_counted() {
        let slow = Slow::default();
        let blocked = slow.0.lock().unwrap();
        let lines = lines_to(slow.clone());
        for _ in 0..LINES_WAITING + 100 {
            lines.make_writer().write_all(b"a line\n").unwrap();
        }
        drop(blocked);
        // When there is room again, a line that says how many are missing comes before the next one.
        let text = || String::from_utf8(slow.0.lock().unwrap().clone()).unwrap();
        for _ in 0..500 {
            lines.make_writer().write_all(b"another\n").unwrap();
            if text().contains("log lines were dropped") {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never told: {}", text().len());
    }
}
