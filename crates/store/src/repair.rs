//! Repairs a journal that a start refuses as damaged: it keeps all that can be read, reports what is lost, and leaves a
//! copy of the damaged journal.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use paychan_channel::{Amount, ContractId, NetworkId};

use crate::digest::Digest;
use crate::index::{Index, Updates, Witness};
use crate::journal::disk::{FileJournal, create_directory};
use crate::journal::read::badly_signed_claim;
use crate::journal::record::Record;
use crate::journal::salvage::{Gap, Salvaged, Sources, salvage};
use crate::journal::segments::files;
use crate::journal::write::Log;
use crate::request::Remembered;
use crate::start::{index_dir, is_sound, move_aside, remove_aside};
use crate::{HeldCommitment, Options, StoreError, checkpoint, lock};

/// What a repair found and did. The operator should read all of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairReport {
    /// The journal was sound. Nothing was changed.
    Sound,
    /// The journal was damaged, and now holds all that could be read.
    Repaired(Box<Repaired>),
}

/// What was kept of a damaged journal and what was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Where the damaged journal was copied, file by file.
    pub copied_to: PathBuf,
    /// Where it could not be read.
    pub gaps: Vec<Gap>,
    /// Records that were read and kept.
    pub kept: u64,
    /// Records that were read and could not be kept, each with the reason.
    pub refused: Vec<String>,
    /// Channels whose admission is lost while a commitment is known: the channel and its highest commitment. Both must
    /// be submitted again.
    pub not_admitted: Vec<(ContractId, HeldCommitment)>,
    /// How many commitments are missing below a higher one of the same channel that was kept. They are worth no money.
    pub superseded: Vec<(ContractId, u64)>,
    /// Channels whose highest commitment may be missing, with the highest that is held now. Base units.
    pub uncertain: Vec<(ContractId, Amount)>,
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepairReport::Sound => write!(f, "The journal is sound. Nothing was changed."),
            RepairReport::Repaired(repaired) => repaired.fmt(f),
        }
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "The journal was damaged. It was copied to {} as it was; keep that copy.",
            self.copied_to.display()
        )?;
        for gap in &self.gaps {
            write!(f, "Lost: segment {}, {} bytes at byte {} ({}): ", gap.segment, gap.bytes, gap.offset, gap.why)?;
            match gap.until {
                Some(until) if until > gap.after + 1 => writeln!(
                    f,
                    "{} records, numbers {} to {}; {} of them were found again in the index.",
                    until - gap.after - 1,
                    gap.after + 1,
                    until - 1,
                    gap.restored
                )?,
                Some(_) => writeln!(f, "no record is missing.")?,
                None => writeln!(
                    f,
                    "all records from number {} to its end, how many is not known; {} were found again in the index.",
                    gap.after + 1,
                    gap.restored
                )?,
            }
        }
        writeln!(f, "Kept: {} records.", self.kept)?;
        for why in &self.refused {
            writeln!(f, "Not kept: {why}.")?;
        }
        for (channel, count) in &self.superseded {
            writeln!(
                f,
                "Missing but harmless: {count} commitments of channel {channel}, below a higher one that was kept."
            )?;
        }
        for (channel, commitment) in &self.not_admitted {
            writeln!(
                f,
                "The admission of channel {channel} is lost. Admit it again, and then submit its commitment for {} again, \
                 signature {}, request id {}.",
                commitment.amount, commitment.signature, commitment.request_id
            )?;
        }
        if self.gaps.is_empty() && self.uncertain.is_empty() {
            return write!(f, "Nothing that was acknowledged is known to be lost.");
        }
        if !self.gaps.is_empty() {
            writeln!(
                f,
                "A lost record may also have been a fence or a signed transaction. If a close was being made, wait until \
                 its ledger bounds have passed (minutes) before taking commitments for that channel again."
            )?;
        }
        if self.uncertain.is_empty() {
            return write!(f, "The highest commitment of every channel was kept.");
        }
        write!(
            f,
            "The highest commitment of these channels may be lost. Compare with what the recipient has been promised:"
        )?;
        for (channel, highest) in &self.uncertain {
            write!(f, "\n  {channel}  held now: {highest}")?;
        }
        Ok(())
    }
}

/// Repairs the store in `dir` after a start refused it as damaged.
///
/// The damaged journal is copied aside first, and its copy is never touched. Then all that can be read before and after
/// the damage, and all that the index has beyond it, is written as a checkpoint, made durable and put in place. So a
/// crash at any moment leaves either the damaged journal or the repaired one.
///
/// # Errors
/// [`StoreError::HeldByAnotherProcess`], [`StoreError::WrongNetwork`], [`StoreError::NewerVersion`]: nothing was
/// changed. [`StoreError::Io`], [`StoreError::Index`]: the disk or sled failed; run the repair again.
pub fn repair(dir: &Path, network: &NetworkId, options: &Options) -> Result<RepairReport, StoreError> {
    let journal_dir = dir.join("journal");
    // A directory with a mistyped name must not become a store.
    if let Err(error) = fs::read_dir(&journal_dir) {
        return Err(StoreError::io("listing the journal in", &journal_dir, &error));
    }
    let _lock = lock::lock(dir)?;
    let remembered = options.remembered_requests;
    let journal = FileJournal::open(&journal_dir)?;
    match is_sound(dir, &journal, network) {
        Ok(()) => return Ok(RepairReport::Sound),
        Err(StoreError::Damaged(_)) => {}
        Err(other) => return Err(other),
    }
    let copied_to = copy_aside(dir, &journal_dir)?;
    let found = files(&journal)?;
    let witness = ask_old_index(dir)?;
    let nobody = HashSet::new();
    let sources = Sources { journal: &journal, network, witness: &witness, suspects: &nobody };
    let mut salvaged = salvage(&found, &sources)?;
    let suspects = badly_signed(&salvaged, network);
    let sources = Sources { suspects: &suspects, ..sources };
    if !suspects.is_empty() {
        salvaged = salvage(&found, &sources)?;
    }
    let uncertain = uncertain(&salvaged, &suspects);

    let mut index = Index::open(&index_dir(dir))?;
    index.apply(&salvaged.updates)?;
    count_known_requests(&mut salvaged, &mut index)?;
    let last = salvaged.last.max(witness.applied).max(found.segments.keys().next_back().copied().unwrap_or(0));
    let records = checkpoint::records(&salvaged.state, &index, remembered);
    let journal = FileJournal::open(&journal_dir)?;
    Log::superseding(Box::new(journal), *network, last).checkpoint(records)?;
    index.flush()?;
    // The journal is whole again, and it has all that the old index knew.
    remove_aside(dir)?;
    Ok(RepairReport::Repaired(Box::new(Repaired {
        copied_to,
        gaps: salvaged.gaps,
        kept: salvaged.records - salvaged.refused.len() as u64,
        refused: salvaged.refused,
        not_admitted: salvaged.orphans.into_iter().collect(),
        superseded: salvaged.superseded.into_iter().collect(),
        uncertain,
    })))
}

/// Lowers each channel's count of requests to those that are known, since the last ones may be lost. The id of the
/// highest commitment is always known, and counts as a request for that commitment.
fn count_known_requests(salvaged: &mut Salvaged<'_>, index: &mut Index) -> Result<(), StoreError> {
    let mut updates = Updates::default();
    for channel in salvaged.state.channels.values_mut() {
        let held = &mut channel.held;
        let id = held.channel();
        let known = index.requests(id)?;
        let last = known.iter().map(|request| request.number).max().unwrap_or(0);
        if last == held.accepted {
            continue;
        }
        let lost = held
            .highest
            .as_ref()
            .map(|highest| (Digest::of(&highest.request_id), highest.amount))
            .filter(|(digest, _)| known.iter().all(|request| request.digest != *digest));
        held.accepted = match lost {
            None => last,
            Some((digest, amount)) => {
                let number = last + 1;
                let request = Remembered { spent: held.spent, ..Remembered::of_format_1(digest, number, amount) };
                updates.add(salvaged.last, &Record::Remembered { channel: id, request });
                number
            }
        };
    }
    index.apply(&updates).map_err(StoreError::from)
}

/// Channels whose highest commitment may be missing, with the highest that was read.
pub(crate) fn uncertain(salvaged: &Salvaged<'_>, suspects: &HashSet<ContractId>) -> Vec<(ContractId, Amount)> {
    let mut uncertain: Vec<_> = salvaged
        .state
        .channels
        .values()
        .map(|channel| (channel.held.channel(), channel.held.highest_amount()))
        .filter(|(channel, _)| suspects.contains(channel) || (salvaged.holes && !salvaged.certain.contains(channel)))
        .collect();
    uncertain.sort();
    uncertain
}

/// Channels whose highest or agreed commitment is not signed by their key.
pub(crate) fn badly_signed(salvaged: &Salvaged, network: &NetworkId) -> HashSet<ContractId> {
    salvaged
        .state
        .channels
        .values()
        .filter(|channel| badly_signed_claim(&channel.held, network).is_some())
        .map(|channel| channel.held.channel())
        .collect()
}

/// Moves the index aside, and takes from it all that it has of the journal; nothing if it can't be read.
fn ask_old_index(dir: &Path) -> Result<Witness, StoreError> {
    let aside = move_aside(dir)?;
    if !aside.exists() {
        return Ok(Witness::default());
    }
    Ok(Index::open(&aside).and_then(|index| index.witness()).unwrap_or_default())
}

/// Copies the journal's files, durably, into a new directory beside it.
fn copy_aside(dir: &Path, journal: &Path) -> Result<PathBuf, StoreError> {
    let copy = (1_u32..)
        .map(|number| dir.join(format!("journal.damaged-{number}")))
        .find(|path| !path.exists())
        .expect("four thousand million copies don't fit on a disk");
    create_directory(&copy)?;
    let work = || -> io::Result<()> {
        for entry in fs::read_dir(journal)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let to = copy.join(entry.file_name());
                fs::copy(entry.path(), &to)?;
                File::open(&to)?.sync_all()?;
            }
        }
        File::open(&copy)?.sync_all()
    };
    work().map_err(|error| StoreError::io("copying the journal to", &copy, &error))?;
    Ok(copy)
}
