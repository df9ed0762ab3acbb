//! The way out when a start refuses a damaged journal: keep all that can be read, say what is lost, delete nothing.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use paychan_channel::{Amount, ContractId, NetworkId};

use super::index::{Index, Update};
use super::journal::{FileJournal, create_directory};
use super::log::Log;
use super::record::Record;
use super::replay::{files, is_signed};
use super::salvage::{Gap, Salvaged, salvage};
use super::start::{index_dir, is_sound, move_aside};
use super::{HeldCommitment, Options, StoreError, checkpoint, lock};

/// What a repair found and did. As text: for the operator to read, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairReport {
    /// The journal was sound. Nothing was changed.
    Sound,
    /// It was damaged, and holds now all that could be read.
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
    /// Commitments that were missing in the journal and were found, rightly signed, in the index: channel, the highest
    /// that the journal had, the one found. Base units.
    pub from_index: Vec<(ContractId, Amount, Amount)>,
    /// Channels of which a commitment is known and the admission is lost: the channel, and the highest of them. To be
    /// admitted and submitted again.
    pub not_admitted: Vec<(ContractId, HeldCommitment)>,
    /// Commitments that are missing below a higher one of the same channel that was kept: channel, how many. No money
    /// hangs on them.
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
            write!(
                f,
                "Lost: segment {}, {} bytes at byte {} ({}): ",
                gap.segment, gap.bytes, gap.offset, gap.why
            )?;
            match gap.until {
                Some(until) if until > gap.after + 1 => writeln!(
                    f,
                    "{} records, numbers {} to {}.",
                    until - gap.after - 1,
                    gap.after + 1,
                    until - 1
                )?,
                Some(_) => writeln!(f, "no record is missing.")?,
                None => writeln!(
                    f,
                    "all records from number {} to its end; how many is not known.",
                    gap.after + 1
                )?,
            }
        }
        writeln!(f, "Kept: {} records.", self.kept)?;
        for why in &self.refused {
            writeln!(f, "Not kept: {why}.")?;
        }
        for (channel, journal, index) in &self.from_index {
            writeln!(
                f,
                "Found again: channel {channel}, a signed commitment for {index} in the index; the journal had {journal}."
            )?;
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
                "Admit again: channel {channel}, its admission is lost; then submit again its commitment for {}, \
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
/// The damaged journal is copied aside first and its copy is never touched. Then all that can be read, before and after
/// the damage, and what the index has beyond it, becomes the journal: written beside as a checkpoint, made durable and
/// put in place, so that a crash at any moment leaves either the damaged journal or the repaired one.
///
/// # Errors
/// [`StoreError::HeldByAnotherProcess`], [`StoreError::WrongNetwork`], [`StoreError::NewerVersion`]: nothing was changed.
/// [`StoreError::Io`], [`StoreError::Index`]: the disk or sled failed; run it again.
pub fn repair(
    dir: &Path,
    network: &NetworkId,
    options: &Options,
) -> Result<RepairReport, StoreError> {
    let journal_dir = dir.join("journal");
    // A directory with a mistyped name must not become a store.
    if let Err(error) = fs::read_dir(&journal_dir) {
        return Err(StoreError::io(
            "listing the journal in",
            &journal_dir,
            &error,
        ));
    }
    let _lock = lock::lock(dir)?;
    let remembered = options.remembered_requests;
    let journal = FileJournal::open(&journal_dir)?;
    match is_sound(dir, &journal, network, remembered) {
        Ok(()) => return Ok(RepairReport::Sound),
        Err(StoreError::Damaged(_)) => {}
        Err(other) => return Err(other),
    }
    let copied_to = copy_aside(dir, &journal_dir)?;
    let found = files(&journal)?;
    let mut salvaged = salvage(&journal, &found, network, &HashSet::new())?;
    let suspects = badly_signed(&salvaged, network);
    if !suspects.is_empty() {
        salvaged = salvage(&journal, &found, network, &suspects)?;
    }

    let witness = ask_old_index(dir, remembered, &mut salvaged, network)?;
    if witness.applied > salvaged.last {
        salvaged.gaps.push(Gap {
            segment: found
                .segments
                .values()
                .next_back()
                .map_or_else(|| "(none)".to_owned(), Clone::clone),
            offset: 0,
            bytes: 0,
            after: salvaged.last,
            until: Some(witness.applied.saturating_add(1)),
            why: "it ends before what the index has seen".to_owned(),
        });
    }
    let mut uncertain: Vec<_> = salvaged
        .state
        .channels
        .values()
        .map(|channel| (channel.held.channel(), channel.held.highest_amount()))
        .filter(|(channel, _)| {
            !salvaged.certain.contains(channel)
                && !salvaged
                    .gaps
                    .iter()
                    .all(|gap| gap.until.is_some_and(|until| until <= witness.applied + 1))
        })
        .collect();
    uncertain.sort();
    for channel in &suspects {
        let highest = salvaged
            .state
            .channels
            .get(channel)
            .map_or(Amount::ZERO, |channel| channel.held.highest_amount());
        if !uncertain.iter().any(|(other, _)| other == channel) {
            uncertain.push((*channel, highest));
        }
    }

    let index = Index::open(&index_dir(dir), remembered)?;
    index.apply(&salvaged.updates)?;
    let last = salvaged
        .last
        .max(witness.applied)
        .max(found.segments.keys().next_back().copied().unwrap_or(0));
    let mut log = Log::superseding(Box::new(journal), *network, last);
    log.checkpoint(checkpoint::records(&salvaged.state, &index, remembered))?;
    index.flush()?;
    Ok(RepairReport::Repaired(Box::new(Repaired {
        copied_to,
        gaps: salvaged.gaps,
        kept: salvaged.records - salvaged.refused.len() as u64,
        refused: salvaged.refused,
        from_index: witness.found,
        not_admitted: salvaged.orphans.into_iter().collect(),
        superseded: salvaged.superseded.into_iter().collect(),
        uncertain,
    })))
}

/// Channels whose highest commitment is not signed by their key.
fn badly_signed(salvaged: &Salvaged, network: &NetworkId) -> HashSet<ContractId> {
    salvaged
        .state
        .channels
        .values()
        .filter(|channel| {
            channel
                .held
                .highest
                .as_ref()
                .is_some_and(|highest| !is_signed(network, &channel.held, highest))
        })
        .map(|channel| channel.held.channel())
        .collect()
}

/// What the old index knew beyond the journal.
#[derive(Default)]
struct Witness {
    /// The last record that it had seen; zero when it can't be read.
    applied: u64,
    found: Vec<(ContractId, Amount, Amount)>,
}

/// Puts the index aside and takes from it the commitments that the journal lacks. Each proves itself by its signature.
fn ask_old_index(
    dir: &Path,
    remembered: u64,
    salvaged: &mut Salvaged,
    network: &NetworkId,
) -> Result<Witness, StoreError> {
    let mut witness = Witness::default();
    let Some(aside) = move_aside(dir)? else {
        return Ok(witness);
    };
    let read = Index::open(&aside, remembered).and_then(|index| {
        let applied = index.applied()?;
        index.highest().map(|highest| (applied, highest))
    });
    // What can't be read bears no witness.
    let Ok((applied, seen)) = read else {
        return Ok(witness);
    };
    witness.applied = applied;
    for (id, commitment) in seen {
        match salvaged.state.channels.get_mut(&id) {
            None => {
                let known = salvaged.orphans.get(&id).map(|orphan| orphan.amount);
                if known.is_none_or(|known| known < commitment.amount) {
                    salvaged.orphans.insert(id, commitment);
                }
            }
            Some(channel)
                if commitment.amount > channel.held.highest_amount()
                    && is_signed(network, &channel.held, &commitment) =>
            {
                witness
                    .found
                    .push((id, channel.held.highest_amount(), commitment.amount));
                let number = channel.held.accepted + 1;
                channel.take(number, &commitment);
                salvaged
                    .updates
                    .push(update(salvaged.last, id, number, commitment));
            }
            Some(_) => {}
        }
    }
    witness.found.sort();
    Ok(witness)
}

fn update(sequence: u64, channel: ContractId, number: u64, commitment: HeldCommitment) -> Update {
    Update::of(
        sequence,
        &Record::Accepted {
            channel,
            number,
            commitment,
        },
    )
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
