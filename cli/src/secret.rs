//! Reads secrets from files, standard input and the environment, and writes new ones to files. Secrets are never
//! arguments, since every process of the machine can see those, and the shell's history keeps them.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use paychan_rpc::SecretKey;
use zeroize::Zeroizing;

use crate::error::{Failure, Kind, bail};

/// The longest secret that is read, in bytes. An account's secret has 56 characters, a commitment seed has 64, and a
/// watcher's token has as many as its operator chose. A longer file is the wrong file.
const MAX_SECRET_BYTES: usize = 4096;

/// The place from which a secret is read, and its names for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The option's value: a path, or `-`.
    pub(crate) file: Option<&'a Path>,
    /// The option's name, for errors.
    pub(crate) option: &'a str,
    /// The environment variables tried, in this order, when the option is absent.
    pub(crate) env: &'a [&'a str],
    /// What is expected there, for errors: "the funder's account secret (S...)".
    pub(crate) what: &'a str,
}

impl Source<'_> {
    /// Whether the secret would be read from standard input. Only one option of a command can read that.
    pub(crate) fn is_stdin(&self) -> bool {
        self.file.is_some_and(is_stdin)
    }

    /// The secret's text without surrounding white space.
    pub(crate) fn read(&self) -> Result<Zeroizing<String>, Failure> {
        let (bytes, from) = match self.file {
            Some(path) if is_stdin(path) => {
                (read_limited(std::io::stdin().lock(), "standard input")?, "standard input".to_owned())
            }
            Some(path) => {
                self.refuse_secret_as_path(path)?;
                (read_private_file(path)?, path.display().to_string())
            }
            None => self.read_env()?,
        };
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::new(Kind::Secret, format!("{from} does not hold text; expected {}", self.what)))?;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            bail!(Kind::Secret, "{from} is empty; expected {}", self.what);
        }
        Ok(Zeroizing::new(trimmed.to_owned()))
    }

    fn read_env(&self) -> Result<(Zeroizing<Vec<u8>>, String), Failure> {
        for name in self.env {
            if let Some(value) = std::env::var_os(name).filter(|v| !v.is_empty()) {
                let bytes = Zeroizing::new(value.into_encoded_bytes());
                return Ok((bytes, format!("the environment variable {name}")));
            }
        }
        bail!(
            Kind::Secret,
            "{} is needed: name a file with {} FILE, give it on standard input with {} -, or set {}",
            self.what,
            self.option,
            self.option,
            self.env.join(" or ")
        )
    }

    /// Refuses a seed that was given in place of a file's name. The error must not repeat the seed.
    fn refuse_secret_as_path(&self, path: &Path) -> Result<(), Failure> {
        let text = path.as_os_str().as_encoded_bytes();
        let seed = text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit) && !path.exists();
        if seed {
            bail!(
                Kind::Secret,
                "{} wants the name of a file that holds the secret, but was given 64 hex digits. If those are the secret, \
                 it is in your shell's history now: make another key",
                self.option
            );
        }
        Ok(())
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses to continue when two options want standard input.
pub(crate) fn only_one_stdin(options: &[(&str, bool)]) -> Result<(), Failure> {
    let names: Vec<_> = options.iter().filter(|(_, stdin)| *stdin).map(|(name, _)| *name).collect();
    if names.len() > 1 {
        bail!(Kind::Usage, "{} both read standard input (-); give one of them a file", names.join(" and "));
    }
    Ok(())
}

/// Refuses an argument that is a Stellar secret key. It runs first, since the parser's error would repeat the key on
/// the screen and in logs.
pub(crate) fn refuse_secret_arguments<'a>(args: impl IntoIterator<Item = &'a OsString>) -> Result<(), Failure> {
    for (position, arg) in args.into_iter().enumerate() {
        let mut words = arg.as_encoded_bytes().split(|b| *b == b'=');
        let secret = words.any(|word| std::str::from_utf8(word).is_ok_and(|word| word.parse::<SecretKey>().is_ok()));
        if secret {
            bail!(
                Kind::Secret,
                "argument {position} is a Stellar secret key (S...). Arguments are seen by every process and kept in the \
                 shell's history: consider this key known, and give secrets in a file (--secret-file FILE), on standard \
                 input (--secret-file -) or in PAYCHAN_SECRET"
            );
        }
    }
    Ok(())
}

/// Reads a file that only its owner can read. The opened file is checked, so that nobody can swap it between check and
/// read.
fn read_private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.display();
    let file = File::open(path).map_err(|e| Failure::new(Kind::Secret, format!("{shown} can't be read: {e}")))?;
    let meta = file.metadata().map_err(|e| Failure::new(Kind::Secret, format!("{shown} can't be examined: {e}")))?;
    // A pipe (`--secret-file <(vault read ...)`) has no permissions that could be checked.
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        bail!(
            Kind::Secret,
            "{shown} can be read by others (mode {:04o}); a secret's file must be its owner's alone. Run: chmod 600 {}",
            meta.mode() & 0o7777,
            shell_quoted(path)
        );
    }
    read_limited(file, &shown.to_string())
}

fn read_limited(from: impl Read, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // The buffer has its full size from the start: growing it would leave copies of the secret in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    from.take(MAX_SECRET_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::new(Kind::Secret, format!("{name} can't be read: {e}")))?;
    if bytes.len() > MAX_SECRET_BYTES {
        bail!(
            Kind::Secret,
            "{name} holds more than {MAX_SECRET_BYTES} bytes; that is no secret of ours. Is it the right file?"
        );
    }
    Ok(bytes)
}

/// Writes a secret to a new file that only its owner can read, and syncs it, since money will depend on it. A file that
/// could not be written whole is removed.
pub(crate) fn write_new(path: &Path, secret: &str) -> Result<(), Failure> {
    let shown = path.display();
    let failed = |e: std::io::Error| Failure::new(Kind::Secret, format!("{shown} can't be written: {e}"));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(
                Kind::Secret,
                format!("{shown} exists already, and a key is never overwritten; choose another name"),
            ),
            _ => failed(e),
        })?;
    let written = file
        .write_all(secret.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path));
    written.map_err(|e| match std::fs::remove_file(path) {
        Ok(()) => failed(e),
        Err(left) => Failure::new(
            Kind::Secret,
            format!("{shown} can't be written: {e}; what was written of it can't be removed either: {left}"),
        ),
    })
}

/// Makes a new file's name durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    File::open(folder)?.sync_all()
}

/// A path in the form that can be pasted into a shell.
fn shell_quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if text.chars().all(plain) && !text.starts_with('-') {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
