//! The journal's disk in memory. A power cut may lose any sectors that were not synced, and a full disk refuses writes.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read};
use std::sync::{Arc, Mutex, MutexGuard};

use paychan_store::Journal;

/// The bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A disk. Clones are the same disk; [`SimDisk::after_kill`] and [`SimDisk::after_power_cut`] give the disk that the
/// next process finds.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, File>,
    /// The names in the directory as it was at its last sync. A power cut loses none of these.
    durable_names: Vec<String>,
    current: Option<String>,
    full: bool,
    /// The event that happens at a later write, if there is one.
    next: Option<Next>,
    /// Whether writes are not counted, so that `next` does not come closer.
    waits: bool,
    /// Whether a write has failed since the process started. Its store then only settles, from memory.
    refused: bool,
    /// Whether the process that writes here is dead. Nothing that it still does reaches the medium then.
    dead: bool,
}

/// An event that happens at a later write.
#[derive(Debug, Clone, Copy)]
struct Next {
    /// The number of writes, syncs and changes of names that still succeed.
    after: u32,
    /// How many 256ths of an append are written, if it happens at an append.
    torn: u8,
    event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The disk is full.
    Full,
    /// The process dies.
    Dies,
}

#[derive(Clone, Default)]
struct File {
    content: Vec<u8>,
    /// The number of bytes that are certainly on the medium.
    durable: usize,
}

impl SimDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn journal(&self) -> Box<dyn Journal> {
        Box::new(self.clone())
    }

    /// Makes the disk full after this many more writes. If an append finds it full, `torn` 256ths of the append are
    /// written.
    pub fn fill_after(&self, after: u32, torn: u8) {
        self.inner().next = Some(Next { after, torn, event: Event::Full });
    }

    /// Gives the disk room again.
    pub fn empty(&self) {
        let mut inner = self.inner();
        inner.full = false;
        inner.next = inner.next.filter(|next| next.event != Event::Full);
    }

    /// Lets the process die after this many more writes, or not at all with `None`. If it dies in an append, `torn`
    /// 256ths of the append are written.
    pub fn die_after(&self, after: Option<u32>, torn: u8) {
        let mut inner = self.inner();
        inner.next = match after {
            Some(after) => Some(Next { after, torn, event: Event::Dies }),
            None => inner.next.filter(|next| next.event != Event::Dies),
        };
    }

    /// Stops counting writes, or starts again. Some requests may be written together or apart, and their number must
    /// not decide when the event happens.
    pub fn wait(&self, waits: bool) {
        self.inner().waits = waits;
    }

    /// Whether the process that writes here has died.
    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// Whether a write has failed since the process started.
    pub fn has_refused(&self) -> bool {
        self.inner().refused
    }

    /// The disk that the next process finds after this one was killed. It has everything that was written, synced or
    /// not.
    pub fn after_kill(&self) -> SimDisk {
        let mut dead = self.inner();
        dead.dead = true;
        SimDisk(Arc::new(Mutex::new(Inner {
            files: dead.files.clone(),
            durable_names: dead.durable_names.clone(),
            ..Inner::default()
        })))
    }

    /// The disk that the next process finds after a power cut. It has everything that was synced, and `random` decides
    /// which sectors of the rest. A file is cut anywhere; or, with `holes`, sectors before its end have zeros, or both.
    pub fn after_power_cut(&self, random: &mut fastrand::Rng, holes: bool) -> SimDisk {
        let mut dead = self.inner();
        dead.dead = true;
        let mut files = BTreeMap::new();
        for (name, file) in &dead.files {
            // A name that was not synced may be there or not.
            if !dead.durable_names.contains(name) && random.bool() {
                continue;
            }
            let mut content = file.content.clone();
            let loss = if holes { random.u8(..3) } else { 1 };
            if loss != 0 {
                content.truncate(random.usize(file.durable..=content.len()));
            }
            if loss != 1 {
                lose_sectors(&mut content[file.durable..], file.durable, random);
            }
            files.insert(name.clone(), File { durable: content.len(), content });
        }
        let durable_names = files.keys().cloned().collect();
        SimDisk(Arc::new(Mutex::new(Inner { files, durable_names, ..Inner::default() })))
    }
}

/// Fills some sectors with zeros. `bytes` begin at byte `offset` of the file.
fn lose_sectors(bytes: &mut [u8], offset: usize, random: &mut fastrand::Rng) {
    let mut from = 0;
    while from < bytes.len() {
        let to = ((offset + from + 1).next_multiple_of(SECTOR) - offset).min(bytes.len());
        if random.bool() {
            bytes[from..to].fill(0);
        }
        from = to;
    }
}

impl Inner {
    /// Whether the next write succeeds. If it does not, the second value says how many 256ths of an append are written.
    fn writable(&mut self) -> (io::Result<()>, u8) {
        let mut torn = 0;
        match &mut self.next {
            _ if self.waits || self.dead => {}
            Some(next) if next.after == 0 => {
                torn = next.torn;
                match next.event {
                    Event::Full => self.full = true,
                    Event::Dies => self.dead = true,
                }
                self.next = None;
            }
            Some(next) => next.after -= 1,
            None => {}
        }
        (self.refusal(), torn)
    }

    fn refusal(&mut self) -> io::Result<()> {
        self.refused |= self.full && !self.dead;
        match (self.dead, self.full) {
            (true, _) => Err(io::Error::other("the process is dead")),
            (false, true) => Err(io::Error::from(ErrorKind::StorageFull)),
            (false, false) => Ok(()),
        }
    }

    fn current(&mut self) -> io::Result<&mut File> {
        let name = self.current.clone().ok_or_else(|| io::Error::other("no file is appended to"))?;
        self.files.get_mut(&name).ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }
}

impl Journal for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.inner().files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let content = self.inner().files.get(name).map(|file| file.content.clone());
        Ok(Box::new(Cursor::new(content.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?)))
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writable().0?;
        inner.files.insert(name.to_owned(), File::default());
        inner.current = Some(name.to_owned());
        Ok(())
    }

    fn resume(&mut self, name: &str, length: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writable().0?;
        inner.current = Some(name.to_owned());
        let length = usize::try_from(length).unwrap();
        let file = inner.current()?;
        file.content.truncate(length);
        file.durable = file.durable.min(length);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let (writable, torn) = inner.writable();
        let written = match writable {
            Ok(()) => bytes.len(),
            Err(_) => bytes.len() * usize::from(torn) / 256,
        };
        inner.current()?.content.extend_from_slice(&bytes[..written]);
        writable
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writable().0?;
        let file = inner.current()?;
        file.durable = file.content.len();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writable().0?;
        let file = inner.files.remove(from).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        inner.files.insert(to.to_owned(), file);
        if inner.current.as_deref() == Some(from) {
            inner.current = Some(to.to_owned());
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writable().0?;
        inner.files.remove(name);
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writable().0?;
        inner.durable_names = inner.files.keys().cloned().collect();
        Ok(())
    }
}
