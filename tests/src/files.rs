//! Writes files in the form in which the programs expect them.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a secret to a file that only its owner may read. The programs refuse others.
pub fn write_secret(path: &Path, secret: &str) {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("the file can be created");
    writeln!(file, "{secret}").expect("the file can be written");
}
