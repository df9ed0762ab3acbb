//! The errors of a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

/// An error in the configuration: where it is, what is wrong, and what was expected. It never shows a line of the file,
/// which could hold a secret by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The kind of the error.
    pub kind: ConfigErrorKind,
    file: Option<PathBuf>,
    line: Option<usize>,
    message: String,
}

/// The kind of an error in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// The file cannot be read.
    Unreadable,
    /// The file is not TOML, has an unknown or a missing key, or a value of the wrong kind.
    Syntax,
    /// Settings are impossible, alone or together.
    Contradiction,
    /// A secret cannot be read, can be read by others, or has the wrong form.
    Secret,
}

impl ConfigError {
    pub(super) fn new(kind: ConfigErrorKind, message: String) -> Self {
        Self { kind, file: None, line: None, message }
    }

    pub(super) fn contradiction(message: String) -> Self {
        Self::new(ConfigErrorKind::Contradiction, message)
    }

    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        Self { line, ..Self::new(ConfigErrorKind::Syntax, hide_secrets(error.message())) }
    }

    pub(super) fn in_file(self, path: &Path) -> Self {
        Self { file: Some(path.to_owned()), ..self }
    }

    /// The line of the error, counted from 1, if it has one.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

/// Removes secret keys from a message of the parser, which repeats values of the file.
fn hide_secrets(message: &str) -> String {
    let is_key = |word: &str| word.len() == 56 && word.starts_with('S');
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(is_word) {
        let (between, from) = rest.split_at(start);
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        shown.push_str(between);
        shown.push_str(if is_key(word) { "S... (a secret key; it does not belong here)" } else { word });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
