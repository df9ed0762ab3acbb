//! The acts of funders on chain, and the requests of front ends to the watcher.

use paychan_channel::{Amount, Commitment, ContractId, Signature};
use paychan_store::{AcceptError, ChargeError, CreditError, Offer, StoreError};
use paychan_watcher::commitments::{OfferError, SaleError};
use paychan_watcher_api::{ChargeBody, SignedAmount};

use super::World;
use crate::network::{SimChain, pay};
use crate::setup::{DEPOSIT, amount, funder, id};

fn sign(number: u8, channel: ContractId, amount: Amount) -> Signature {
    Commitment { network: SimChain::network_id(), channel, amount }.sign(&funder(number))
}

fn signed(number: u8, amount: Amount) -> SignedAmount {
    SignedAmount { amount, signature: sign(number, id(number), amount) }
}

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
                    self.chain.network().refund(channel);
                    self.note(format_args!("the funder of channel {number} takes the rest back"));
                    continue;
                }
                Some(_) => {}
                None if everybody_closes || self.random.u32(..400) == 0 => {
                    let deadline = self.chain.network().close_start(channel);
                    let alarms = self.alarms.count();
                    self.memory.channel(number).close_announced = Some((now + 1, alarms));
                    self.note(format_args!("the funder of channel {number} announces a close, until {deadline}"));
                }
                None => {}
            }
            if self.random.u32(..200) == 0 {
                let more = self.random.i128(1..=DEPOSIT);
                let mut network = self.chain.network();
                let state = network.channels.get_mut(&channel).unwrap();
                state.balance = amount(state.balance.get() + more);
                state.deposited = state.deposited.map(|deposited| amount(deposited.get() + more));
            }
            // Anyone may settle: the funder does it with a commitment that no front end ever saw.
            if self.random.u32(..400) == 0 {
                let mut network = self.chain.network();
                let state = network.channels.get_mut(&channel).unwrap();
                let total = self.random.i128(0..=state.coverage().get());
                if pay(state, total).is_ok() {
                    drop(network);
                    self.note(format_args!("the funder of channel {number} settles {total} itself"));
                }
            }
        }
    }

    /// Front ends submit commitments, charges and credits.
    pub(crate) async fn front_ends_act(&mut self) {
        for _ in 0..self.random.u32(..=self.plan.busy) {
            if self.process.disk.is_dead() {
                return;
            }
            let number = self.random.u8(1..=self.plan.channels);
            // Without races, front ends mostly leave a channel alone whose close was announced.
            let closing = self.chain.network().channels[&id(number)].close_effective_at.is_some();
            if closing && !self.plan.races && self.random.u32(..10) > 0 {
                continue;
            }
            match self.random.u32(..20) {
                0..8 => self.offer(number).await,
                8..14 => self.charge(number).await,
                14 => self.credit(number).await,
                15 => self.offer_forged(number).await,
                16 | 17 => self.two_front_ends(number).await,
                18 => self.charge_again(number).await,
                _ if self.random.u32(..20) == 0 => self.agree_to_close(number).await,
                _ => self.offer_old(number).await,
            }
        }
    }

    /// A total above the highest known one. The channel mostly covers it, but not always.
    fn next_total(&mut self, number: u8) -> Amount {
        let known = self.memory.channel(number).highest;
        let withdrawn = self.chain.network().channels[&id(number)].withdrawn.get();
        let longest = [1_000, 200_000, 20_000_000, DEPOSIT][self.random.usize(..4)];
        let step = self.random.i128(1..=longest);
        let total = known.max(withdrawn) + step;
        amount(total)
    }

    async fn offer(&mut self, number: u8) {
        let total = self.next_total(number);
        let SignedAmount { amount, signature } = signed(number, total);
        let request_id = self.memory.channel(number).next_request(number);
        self.totals.offers += 1;
        let offer = Offer { channel: id(number), amount, signature, request_id };
        match self.process.watcher().commitments.offer(offer).await {
            Ok(answer) => self.acknowledged(number, answer.highest),
            Err(OfferError::BadSignature(error)) => self.violated(format!("a good signature is refused: {error}")),
            Err(OfferError::NotAccepted(_)) => {}
        }
    }

    fn acknowledged(&mut self, number: u8, highest: Amount) {
        self.totals.acknowledged += 1;
        let closing = self.chain.network().channels[&id(number)].close_effective_at.is_some();
        if closing {
            self.totals.raced += 1;
        }
        self.judge_acknowledged(number, highest);
        let promised = self.memory.channel(number);
        if highest.get() < promised.highest {
            let before = promised.highest;
            self.violated(format!("channel {number}: the highest went from {before} to {highest}"));
            return;
        }
        promised.highest = highest.get();
    }

    async fn offer_forged(&mut self, number: u8) {
        let total = self.next_total(number);
        let signature = sign(number, ContractId([99; 32]), total);
        let request_id = self.memory.channel(number).next_request(number);
        let offer = Offer { channel: id(number), amount: total, signature, request_id };
        if self.process.watcher().commitments.offer(offer).await.is_ok() {
            self.violated(format!("channel {number}: a signature over another channel was taken for {total}"));
        }
    }

    /// Offers a total that was acknowledged before, under a new id. The watcher must not accept it again.
    async fn offer_old(&mut self, number: u8) {
        let highest = self.memory.channel(number).highest;
        if highest == 0 {
            return;
        }
        let total = amount(self.random.i128(1..=highest));
        let SignedAmount { amount, signature } = signed(number, total);
        let request_id = self.memory.channel(number).next_request(number);
        let offer = Offer { channel: id(number), amount, signature, request_id };
        if let Ok(answer) = self.process.watcher().commitments.offer(offer).await {
            self.violated(format!("channel {number}: {total} was taken again, above {highest}: {answer:?}"));
        }
    }

    fn new_charge(&mut self, number: u8) -> ChargeBody {
        let highest = [100, 100_000, 10_000_000][self.random.usize(..3)];
        let price = amount(self.random.i128(1..=highest));
        let commitment = match self.random.bool() {
            true => Some(signed(number, self.next_total(number))),
            false => None,
        };
        let request_id = self.memory.channel(number).next_request(number);
        ChargeBody { price, request_id, commitment }
    }

    async fn charge(&mut self, number: u8) {
        let charge = self.new_charge(number);
        let answer = self.process.watcher().commitments.charge(id(number), charge.clone()).await;
        self.charged(number, charge, answer);
    }

    fn charged(&mut self, number: u8, charge: ChargeBody, answer: Result<paychan_watcher_api::Charged, SaleError>) {
        match answer {
            Ok(charged) => {
                self.totals.charges += 1;
                if charged.replayed {
                    self.violated(format!("channel {number}: a new charge is answered as an old one: {charged:?}"));
                }
                if charged.highest > Amount::ZERO && charged.highest.get() > self.memory.channel(number).highest {
                    self.acknowledged(number, charged.highest);
                }
                self.memory.channel(number).charges.push((charge, 0));
            }
            Err(SaleError::BadSignature(error)) => self.violated(format!("a good signature is refused: {error}")),
            Err(
                SaleError::NotCharged(ChargeError::Store(StoreError::Failed(_) | StoreError::Io { .. }))
                | SaleError::Commitment(AcceptError::Store(StoreError::Failed(_) | StoreError::Io { .. })),
            ) => {
                // The record may be on the disk or not.
                self.memory.channel(number).perhaps_charged += charge.price.get();
            }
            Err(_) => {}
        }
    }

    /// Two front ends that know the same total sell at the same time.
    async fn two_front_ends(&mut self, number: u8) {
        let (one, two) = (self.new_charge(number), self.new_charge(number));
        // Chance decides whether the two are written together.
        self.process.disk.wait(true);
        let commitments = &self.process.watcher().commitments;
        let (first, second) =
            tokio::join!(commitments.charge(id(number), one.clone()), commitments.charge(id(number), two.clone()));
        self.process.disk.wait(false);
        self.charged(number, one, first);
        self.charged(number, two, second);
    }

    /// Sends the same charge again, as a front end does that got no answer.
    async fn charge_again(&mut self, number: u8) {
        let charges = &self.memory.channel(number).charges;
        if charges.is_empty() {
            return;
        }
        let (charge, _) = charges[self.random.usize(..charges.len())].clone();
        match self.process.watcher().commitments.charge(id(number), charge.clone()).await {
            Ok(again) if !again.replayed => {
                self.violated(format!("channel {number}: the charge {charge:?} was taken again"));
            }
            _ => {}
        }
    }

    async fn credit(&mut self, number: u8) {
        let charges = &self.memory.channel(number).charges;
        if charges.is_empty() {
            return;
        }
        let at = self.random.usize(..charges.len());
        let (charge, credited) = charges[at].clone();
        let back = self.random.i128(1..=charge.price.get());
        let answer = self.process.watcher().commitments.credit(id(number), charge.request_id, amount(back)).await;
        match answer {
            Ok(given) if given.replayed || credited > 0 => {
                let promised = self.memory.channel(number);
                if credited == 0 && promised.perhaps_credited >= given.credited.get() {
                    // The watcher took an earlier credit that got no answer.
                    promised.perhaps_credited -= given.credited.get();
                    promised.charges[at].1 = given.credited.get();
                } else if given.credited.get() != credited {
                    self.violated(format!("channel {number}: a charge was credited {credited} and then {given:?}"));
                }
            }
            Ok(given) => {
                self.totals.credits += 1;
                self.memory.channel(number).charges[at].1 = given.credited.get();
            }
            Err(CreditError::Store(StoreError::Failed(_) | StoreError::Io { .. })) => {
                self.memory.channel(number).perhaps_credited += back;
            }
            Err(_) => {}
        }
    }

    /// The recipient and the funder agree to end the channel with less than the highest commitment.
    async fn agree_to_close(&mut self, number: u8) {
        let Some(held) = self.process.watcher().store.held(&id(number)) else { return };
        let withdrawn = self.chain.network().channels[&id(number)].withdrawn.get();
        let (least, most) = (held.spent.get().max(withdrawn), held.highest_amount().get());
        if least > most || most == 0 {
            return;
        }
        let agreed = amount(self.random.i128(least.max(1)..=most));
        let closing = self.process.watcher().commitments.close(id(number), Some(signed(number, agreed))).await;
        if closing.is_err() {
            // The record may be on the disk or not.
            self.memory.channel(number).perhaps_agreed.push(agreed.get());
        }
        if let Ok(closing) = closing
            && let Some(claim) = closing.held.claim()
        {
            self.note(format_args!("channel {number} is to be ended with {} of {most}", claim.amount));
            self.memory.channel(number).agreed = Some(claim.amount.get());
        }
    }
}
