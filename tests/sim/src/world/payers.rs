//! The acts of funders on chain, and of front ends that ask one after the other.

use paychan_channel::ContractId;

use super::World;
use super::process::Watcher;
use super::requests::ask_together;
use crate::network::{Call, Caller, Claim, Event, Refusal};
use crate::setup::{DEPOSIT, id};

impl World {
    /// Funders announce closes, take the rest back as soon as they can, top up, and settle commitments that they never
    /// submitted.
    pub(crate) fn funders_act(&mut self, everybody_closes: bool) {
        for number in 1..=self.plan.channels {
            let channel = id(number);
            let (now, state) = {
                let network = self.chain.network();
                (network.ledger(), network.channels[&channel].clone())
            };
            if state.refunded {
                continue;
            }
            match state.close_effective_at {
                Some(deadline) if now >= deadline.0 => {
                    match self.funder_calls(channel, Call::Refund) {
                        Ok(_) => self.note(format_args!("the funder of channel {number} takes the rest back")),
                        Err(why) => self.note(format_args!("the funder of channel {number} gets no refund: {why}")),
                    }
                    continue;
                }
                Some(_) => {}
                None if everybody_closes || self.random.u32(..400) == 0 => {
                    self.funder_calls(channel, Call::CloseStart).unwrap();
                    self.memory.channel(number).close_announced = Some(now + 1);
                    let deadline = now + 1 + state.refund_waiting_period;
                    self.note(format_args!("the funder of channel {number} announces a close, until {deadline}"));
                }
                None => {}
            }
            if self.random.u32(..200) == 0 {
                let more = self.random.i128(1..=DEPOSIT);
                // The contract takes no deposit once a close is announced. But anybody may send tokens straight to the channel.
                if self.funder_calls(channel, Call::TopUp(more)).is_err() {
                    let _ = self.funder_calls(channel, Call::Send(more));
                }
            }
            // Anyone may settle: the funder does it with a commitment that no front end ever saw.
            if self.random.u32(..400) == 0 {
                let coverage = self.chain.network().channels[&channel].coverage().get();
                let total = self.random.i128(0..=coverage);
                if self.funder_calls(channel, Call::Settle(Claim { total, signed: true })).is_ok() {
                    self.note(format_args!("the funder of channel {number} settles {total} itself"));
                }
            }
        }
    }

    fn funder_calls(&self, channel: ContractId, call: Call) -> Result<Vec<Event>, Refusal> {
        self.chain.network().call(channel, Caller::Funder, call)
    }

    /// Front ends submit commitments, charges and credits, one after the other.
    pub(crate) async fn front_ends_act(&mut self) {
        for _ in 0..self.random.u32(..=self.plan.busy) {
            if self.process.disk.is_dead() {
                return;
            }
            let number = self.random.u8(1..=self.plan.channels);
            // Without races, front ends mostly leave a channel alone whose close was announced.
            let closing = self.memory.channel(number).close_announced.is_some();
            if closing && !self.plan.races && self.random.u32(..10) > 0 {
                continue;
            }
            let requests = self.draw_requests(number);
            let together = self.random.bool();
            let Watcher { commitments, channels, .. } = self.process.watcher();
            let answers = match requests.as_slice() {
                [first, second] if together && first.is_charge() && second.is_charge() => {
                    self.process.disk.wait(true);
                    let answers = ask_together(&[first, second], commitments).await;
                    self.process.disk.wait(false);
                    answers
                }
                [first, second, ..] => {
                    // Chance decides whether the two are written together.
                    self.process.disk.wait(true);
                    let (first, second) =
                        tokio::join!(first.ask(commitments, channels), second.ask(commitments, channels));
                    self.process.disk.wait(false);
                    vec![first, second]
                }
                [one] => vec![one.ask(commitments, channels).await],
                [] => Vec::new(),
            };
            for (request, answer) in requests.iter().zip(answers) {
                let state = self.chain.network().channels[&id(number)].clone();
                self.answered(request, answer, &state);
            }
        }
    }
}
