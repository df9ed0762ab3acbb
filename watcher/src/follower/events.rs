//! Reads `close` events, which are hints for the channels to read now.

use std::collections::BTreeMap;

use paychan_channel::{ContractId, Ledger};
use tracing::warn;

use super::FollowerParts;
use crate::chain::{ChainError, ChainErrorKind, EventsFrom};
use crate::reader::ChannelReader;
use crate::view::View;

/// The most pages of events that one tick reads, since anybody can flood the network with events called `close` and a
/// tick must end. The next tick reads the rest, and the sweep bounds what a flood can hide.
const PAGES_A_TICK: usize = 20;

/// The state of reading events.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Since the last gap, the events of all ledgers up to this one were read.
    read_to: Option<Ledger>,
    /// Channels that an event named, with its ledger, whose entries were not read at that ledger yet.
    hinted: BTreeMap<ContractId, Ledger>,
    /// Why events could not be read the last time.
    trouble: Option<ChainError>,
}

impl Events {
    /// Whether events have to be read even if the head did not move.
    pub(super) fn are_due(&self) -> bool {
        self.read_to.is_none() || !self.hinted.is_empty()
    }

    /// Why events could not be read the last time; `None` when they could.
    pub(super) fn trouble(&self) -> Option<&ChainError> {
        self.trouble.as_ref()
    }

    /// Reads the events up to `head` from where the last tick ended, or only those of `head` after a gap. Returns
    /// whether there was a gap, since a sweep must then read what the events don't show.
    ///
    /// The error is kept in [`Events::trouble`].
    pub(super) async fn read(
        &mut self,
        parts: &FollowerParts,
        reader: &ChannelReader,
        head: Ledger,
    ) -> Result<bool, ()> {
        let started_anew = self.read_to.is_none();
        let first = self.read_to.map_or(head, |to| to.saturating_add(1));
        let mut outcome = self.read_from(parts, reader, first, head).await.map(|()| started_anew);
        match &outcome {
            Err(error) if error.kind == ChainErrorKind::Gone && !started_anew => {
                warn!(%error, "events were lost; all channels are read again");
                self.lose(&parts.view);
                outcome = self.read_from(parts, reader, head, head).await.map(|()| true);
            }
            Err(error) if error.kind == ChainErrorKind::Undecodable => self.lose(&parts.view),
            _ => {}
        }
        match outcome {
            Ok(restarted) => {
                self.trouble = (self.read_to.is_none() && self.hinted.is_empty()).then(no_end);
                Ok(restarted && self.read_to.is_some())
            }
            Err(error) => {
                self.trouble = Some(error);
                Err(())
            }
        }
    }

    async fn read_from(
        &mut self,
        parts: &FollowerParts,
        reader: &ChannelReader,
        first: Ledger,
        head: Ledger,
    ) -> Result<(), ChainError> {
        if first > head {
            return Ok(());
        }
        let mut from = EventsFrom::Ledger(first);
        for _ in 0..PAGES_A_TICK {
            let page = match parts.chain.closes(&from).await {
                // Some servers refuse their own cursors. The next tick asks by ledger, from where this page ended.
                Err(error) if matches!(from, EventsFrom::Cursor(_)) && error.kind == ChainErrorKind::Refused => {
                    return Ok(());
                }
                other => other?,
            };
            for hint in page.hints {
                if parts.store.held(&hint.contract).is_none() {
                    continue;
                }
                if let Some(deadline) = hint.effective_at {
                    parts.view.note_close(&hint.contract, deadline, hint.ledger);
                }
                // A wrong number above the head would be waited for. The next page names a true one again.
                let seen_at = hint.ledger.min(head);
                let at = self.hinted.entry(hint.contract).or_insert(seen_at);
                *at = (*at).max(seen_at);
            }
            // These ledgers count as known only after the named channels were read. Otherwise this page is read again,
            // and the tick reports why.
            if self.read_hinted(&parts.view, reader).await.is_err() {
                return Ok(());
            }
            // Ledgers above the head don't count, since a wrong number here would end the reading of events.
            if let Some(to) = page.scanned_to.map(|to| to.min(head)).filter(|to| *to >= first) {
                parts.view.add_events(first, to);
                self.read_to = Some(to);
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
        warn!(pages = PAGES_A_TICK, "there are more `close` events than one tick reads; the next tick reads the rest");
        Ok(())
    }

    /// Stops inferring anything from events. When they can be read again, all channels are read again.
    pub(super) fn lose(&mut self, view: &View) {
        view.lose_events();
        self.read_to = None;
    }

    /// Reads the channels that events named. If the entries are older than the event, they don't show its effect, so
    /// the channel is read again.
    ///
    /// # Errors
    /// Those of the reader, and [`ChainErrorKind::Behind`] when entries were too old.
    pub(super) async fn read_hinted(&mut self, view: &View, reader: &ChannelReader) -> Result<(), ChainError> {
        if self.hinted.is_empty() {
            return Ok(());
        }
        let hinted: Vec<ContractId> = self.hinted.keys().copied().collect();
        let read = reader.read(&hinted).await?;
        self.hinted.retain(|channel, at| {
            // A channel that can't be read is marked as unreadable and takes no money, so nothing has to be waited for.
            !read.unreadable.contains(channel) && view.channel(channel).is_some_and(|known| known.state.read_at < *at)
        });
        match self.hinted.values().max() {
            None => Ok(()),
            Some(at) => Err(ChainError {
                what: "reading channels that are closing",
                kind: ChainErrorKind::Behind,
                message: format!("the endpoint told of an event in ledger {at} and gave older entries"),
            }),
        }
    }
}

fn no_end() -> ChainError {
    ChainError {
        what: "getEvents",
        kind: ChainErrorKind::Refused,
        message: "the endpoint does not say up to which ledger it has looked through events".to_owned(),
    }
}
