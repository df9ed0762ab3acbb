//! A disk in memory whose power can be cut, or that can become full, before any step. After a cut it has everything
//! that was made durable, and of the rest what the test chooses ([`Loss`]).

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard};

use paychan_store::Journal;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    files: Vec<File>,
    /// Names as the process sees them, and as they are after a power cut.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the directory was synced.
    changes: Vec<Change>,
    current: Option<usize>,
    steps: usize,
    /// The step before which the power fails, or the disk is full.
    cut_at: Option<usize>,
    full: bool,
}

#[derive(Default, Clone)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone)]
enum Change {
    Link(String, usize),
    Rename(String, String, usize),
    Unlink(String),
}

/// What happens to the part that was not durable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// The process was killed and the power was not: all of it is still there, and still not durable.
    Kill,
    /// All of it is gone.
    All,
    /// None of it is gone.
    None,
    /// This many thousandths of each file's new bytes are there, and those changes of names whose bit is set.
    Part { thousandths: usize, names: u32 },
    /// The same as `Part`, but each file has its full length, with zeros from the start of the next sector.
    Zeros { thousandths: usize, names: u32 },
    /// Each file has its full length, with zeros in those sectors of its new bytes whose bit is not set in `sectors`. Those
    /// changes of names happened whose bit is set in `names`.
    Holes { sectors: u32, names: u32 },
}

const SECTOR: usize = 512;

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Steps taken since the power came on.
    pub(crate) fn steps(&self) -> usize {
        self.inner().steps
    }

    /// Cuts the power before the step with this number, counted from zero.
    pub(crate) fn cut_at(&self, step: usize) {
        self.inner().cut_at = Some(step);
    }

    /// Makes the disk full for the step with this number and all later ones.
    pub(crate) fn full_at(&self, step: usize) {
        let mut inner = self.inner();
        inner.cut_at = Some(step);
        inner.full = true;
    }

    pub(crate) fn journal(&self) -> Box<dyn Journal> {
        Box::new(self.clone())
    }

    /// The disk as it is when the power comes back. The old disk stays without power.
    pub(crate) fn after(&self, loss: Loss) -> Disk {
        let mut dead = self.inner();
        dead.cut_at = Some(0);
        if matches!(loss, Loss::Kill) {
            return Disk(Arc::new(Mutex::new(Inner {
                files: dead.files.clone(),
                names: dead.names.clone(),
                durable_names: dead.durable_names.clone(),
                changes: dead.changes.clone(),
                ..Inner::default()
            })));
        }
        let mut names = dead.durable_names.clone();
        for (position, change) in dead.changes.iter().enumerate() {
            let happened = match loss {
                Loss::All => false,
                Loss::None | Loss::Kill => true,
                Loss::Part { names, .. } | Loss::Zeros { names, .. } | Loss::Holes { names, .. } => {
                    names.rotate_right(u32::try_from(position % 32).unwrap()) & 1 == 1
                }
            };
            if happened {
                change.apply(&mut names);
            }
        }
        let files = dead
            .files
            .iter()
            .map(|file| {
                let content = file.after(loss);
                File { durable: content.clone(), content }
            })
            .collect();
        Disk(Arc::new(Mutex::new(Inner { files, durable_names: names.clone(), names, ..Inner::default() })))
    }
}

impl File {
    fn after(&self, loss: Loss) -> Vec<u8> {
        let common = self.content.iter().zip(&self.durable).take_while(|(new, old)| new == old).count();
        // The file was cut and the cut was not made durable, so the file may have either length.
        if common < self.durable.len() {
            return match loss {
                Loss::All => self.durable.clone(),
                _ => self.content.clone(),
            };
        }
        let fresh = self.content.len() - common;
        let kept = match loss {
            Loss::All => 0,
            Loss::None | Loss::Kill | Loss::Holes { .. } => fresh,
            Loss::Part { thousandths, .. } | Loss::Zeros { thousandths, .. } => fresh * thousandths / 1_000,
        };
        let mut after = self.content[..common + kept].to_vec();
        if matches!(loss, Loss::Zeros { .. }) {
            // A disk writes whole sectors, so the rest of the last kept byte's sector is there too.
            let end = after.len().next_multiple_of(SECTOR).min(self.content.len());
            after.extend_from_slice(&self.content[after.len()..end]);
            after.resize(self.content.len(), 0);
        }
        if let Loss::Holes { sectors, .. } = loss {
            for (at, byte) in after.iter_mut().enumerate().skip(common) {
                let sector = u32::try_from(at / SECTOR % 32).unwrap();
                if sectors.rotate_right(sector) & 1 == 0 {
                    *byte = 0;
                }
            }
        }
        after
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Change::Link(name, file) => {
                names.insert(name.clone(), *file);
            }
            Change::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Change::Unlink(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inner {
    fn step(&mut self) -> io::Result<()> {
        if self.cut_at.is_some_and(|cut| self.steps >= cut) {
            return Err(match self.full {
                true => io::Error::from(io::ErrorKind::StorageFull),
                false => io::Error::other("the power is out"),
            });
        }
        self.steps += 1;
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn current(&mut self) -> &mut File {
        let current = self.current.expect("a file is appended to");
        &mut self.files[current]
    }
}

impl Journal for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.inner().names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let inner = self.inner();
        let file = inner.file(name)?;
        Ok(Box::new(Cursor::new(inner.files[file].content.clone())))
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        inner.files.push(File::default());
        let file = inner.files.len() - 1;
        inner.change(Change::Link(name.to_owned(), file));
        inner.current = Some(file);
        Ok(())
    }

    fn resume(&mut self, name: &str, length: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        let file = inner.file(name)?;
        inner.files[file].content.truncate(usize::try_from(length).unwrap());
        inner.current = Some(file);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        inner.current().content.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        let file = inner.current();
        file.durable.clone_from(&file.content);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        let file = inner.file(from)?;
        inner.change(Change::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        inner.file(name)?;
        inner.change(Change::Unlink(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.step()?;
        inner.durable_names = inner.names.clone();
        inner.changes.clear();
        Ok(())
    }
}
