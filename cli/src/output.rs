//! Writes results to standard output and everything else to standard error.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::error::{Failure, Kind};

/// Where a command writes. Under `--json` standard output carries exactly one JSON document: the result, or
/// `{"error": {...}}`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Says in one line on standard error what the command does at the moment.
    pub(crate) fn progress(self, line: impl Display) {
        // A closed standard error is no reason to stop half-way through a payment.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Says something that the person should know. The command goes on.
    pub(crate) fn warn(self, line: impl Display) {
        self.progress(format_args!("warning: {line}"));
    }

    /// Writes the result: by `Display` for a person, by `Serialize` for a script.
    ///
    /// # Errors
    /// [`Kind::Output`] when standard output can't be written. A command that has taken effect turns it into
    /// [`Kind::ResultUnread`] with [`crate::error::Failure::after`].
    pub(crate) fn result<T: Serialize + Display>(self, result: &T) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string(result)
                .map_err(|e| Failure::new(Kind::Output, format!("the result can't be written as JSON: {e}")))?
        } else {
            result.to_string()
        };
        self.print(&text)
    }

    /// Writes a failure: as JSON on standard output, or as `error: ...` on standard error. When standard output does
    /// not work, it goes to standard error too.
    pub(crate) fn failure(self, failure: &Failure) {
        let told = self.json && self.print(&failure.to_json().to_string()).is_ok();
        if !told {
            self.progress(format_args!("error: {failure}"));
        }
    }

    fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // The reader (`| head`) has seen enough.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(e) => Err(Failure::new(Kind::Output, format!("standard output can't be written: {e}"))),
            Ok(()) => Ok(()),
        }
    }
}

/// Writes a result for a person: rows in two columns, the first as wide as its longest word.
pub(crate) fn table<'a>(
    f: &mut std::fmt::Formatter<'_>,
    rows: impl IntoIterator<Item = (&'a str, String)>,
) -> std::fmt::Result {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut lines = rows.iter().peekable();
    while let Some((name, value)) = lines.next() {
        write!(f, "{name:width$}  {value}")?;
        if lines.peek().is_some() {
            writeln!(f)?;
        }
    }
    Ok(())
}
