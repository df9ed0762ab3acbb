//! Reading `close` events: hints which channels to read now.

use std::collections::BTreeMap;

use paychan_channel::{ContractId, Ledger};
use tracing::warn;

use super::FollowerParts;
use crate::chain::{ChainError, ChainErrorKind, EventsFrom};
use crate::reader::ChannelReader;
use crate::view::View;

/// Pages of events that one tick reads. Anybody may flood the network with events called `close`, and a tick must end.
/// What is left is read in the next tick, and the sweep bounds what a flood can hide.
const PAGES_A_TICK: usize = 20;

/// Where reading events stands.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Events of all ledgers up to this one were read, since the last gap.
    read_to: Option<Ledger>,
    /// Channels that an event of this ledger named, and whose entries were not read at that ledger yet.
    hinted: BTreeMap<ContractId, Ledger>,
    /// Why events could not be read the last time.
    trouble: Option<ChainError>,
}

impl Events {
    /// Whether events have to be read though the head did not move.
    pub(super) fn are_due(&self) -> bool {
        self.read_to.is_none() || !self.hinted.is_empty()
    }

    /// Why events could not be read the last time; `None` when they could.
    pub(super) fn trouble(&self) -> Option<&ChainError> {
        self.trouble.as_ref()
    }

    /// Reads the events up to `head`, from where the last tick ended. After a gap it reads from `head` on. Answers whether
    /// reading started anew: then a sweep must read what the events can't tell.
    ///
    /// The error is kept: see [`Events::trouble`].
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
                warn!(%error, "events were lost: all channels are read anew");
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
                // Some servers take no cursor of their own. The next tick asks by ledger, from where this page ended.
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
                // A wrong number above the head would be waited for: the next page names a true one again.
                let seen_at = hint.ledger.min(head);
                let at = self.hinted.entry(hint.contract).or_insert(seen_at);
                *at = (*at).max(seen_at);
            }
            // Only when the channels that were named have been read is nothing of these ledgers unknown. Otherwise this
            // page is read again; the tick reports why.
            if self.read_hinted(&parts.view, reader).await.is_err() {
                return Ok(());
            }
            // Nothing is inferred of ledgers above the head: a wrong number here would end the reading of events.
            if let Some(to) = page.scanned_to.map(|to| to.min(head)).filter(|to| *to >= first) {
                parts.view.add_events(first, to);
                self.read_to = Some(to);
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
        warn!(pages = PAGES_A_TICK, "more `close` events than one tick reads; the rest comes with the next");
        Ok(())
    }

    /// From here on nothing is inferred from events; when they can be read again, all channels are read anew.
    pub(super) fn lose(&mut self, view: &View) {
        view.lose_events();
        self.read_to = None;
    }

    /// Reads the channels that events named. A copy of the entries that is older than the event does not tell what the
    /// event was about: such a channel is read again.
    ///
    /// # Errors
    /// Also [`ChainErrorKind::Behind`] when a copy was too old.
    pub(super) async fn read_hinted(&mut self, view: &View, reader: &ChannelReader) -> Result<(), ChainError> {
        if self.hinted.is_empty() {
            return Ok(());
        }
        let hinted: Vec<ContractId> = self.hinted.keys().copied().collect();
        let read = reader.read(&hinted).await?;
        self.hinted.retain(|channel, at| {
            // One that can't be read is marked so, and takes no money: there is nothing to wait for.
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
