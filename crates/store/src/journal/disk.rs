//! The journal on a real disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::Journal;
use crate::StoreError;

/// The journal on a real disk.
#[derive(Debug)]
pub struct FileJournal {
    dir: PathBuf,
    current: Option<File>,
}

impl FileJournal {
    /// Opens the journal in this directory. If the directory is missing, this makes it, durably.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the directory can't be made or opened.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        create_directory(dir)?;
        Ok(FileJournal { dir: dir.to_path_buf(), current: None })
    }

    /// The journal in this directory, for reading only: nothing is made.
    pub(crate) fn look_at(dir: &Path) -> Self {
        FileJournal { dir: dir.to_path_buf(), current: None }
    }

    fn current(&mut self) -> io::Result<&mut File> {
        self.current.as_mut().ok_or_else(|| io::Error::other("no journal file is open for appending"))
    }
}

impl Journal for FileJournal {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            // A name that is not UTF-8 is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let file = File::open(self.dir.join(name))?;
        Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(self.dir.join(name))?;
        self.current = Some(file);
        Ok(())
    }

    fn resume(&mut self, name: &str, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(self.dir.join(name))?;
        file.set_len(length)?;
        self.current = Some(file);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current()?.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // fdatasync also writes the file's length when it changed, since reading the data back needs it (fdatasync(2)).
        self.current()?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

/// Makes a directory and all missing ones above it, and makes their names durable.
pub(crate) fn create_directory(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directory(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::io("creating the directory", dir, &error));
        }
        _ => {}
    }
    File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(|error| StoreError::io("syncing the directory", parent, &error))
}
