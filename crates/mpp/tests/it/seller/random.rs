//! Random sequences of purchases, retries, lost answers, failing credits and restarts. Whatever happens, nobody is served without
//! paying, no unsafe request is done twice, and without a restart a payer pays exactly for what it got.

use std::collections::HashSet;

use paychan_mpp::seller::ChargesError;
use tokio::task::JoinSet;

use crate::env::{Answer, CHANNEL, PRICE, TestEnv, request};

/// How many sequences are tried. Each is made from its number.
const SEQUENCES: u64 = 150;
/// How many steps each has.
const STEPS: usize = 40;

/// A small generator of numbers (xorshift), so that a sequence can be repeated from its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<'a, T>(&mut self, all: &'a mut [T]) -> Option<&'a mut T> {
        let at = usize::try_from(self.below(all.len().max(1) as u64)).unwrap();
        all.get_mut(at)
    }
}

/// A purchase, which the payer may send any number of times.
struct Purchase {
    method: &'static str,
    path: &'static str,
    header: String,
    /// The answers that it got.
    answers: HashSet<String>,
}

impl Purchase {
    /// Sends it so many times at the same time.
    async fn send(&mut self, env: &TestEnv, times: u64) -> u16 {
        let mut sending = JoinSet::new();
        for _ in 0..times {
            let request = request(self.method, self.path, &[("authorization", &self.header)]);
            sending.spawn(Answer::to(env.app.clone(), request));
        }
        let mut status = 0;
        for answer in sending.join_all().await {
            status = answer.status.as_u16();
            if status == 200 {
                self.answers.insert(answer.body);
            }
        }
        status
    }
}

async fn play(number: u64) {
    let mut dice = Dice(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut env = TestEnv::new();
    env.buy("/other", PRICE).await.receipt();
    let mut purchases: Vec<Purchase> = Vec::new();
    let mut total = PRICE;
    let restarts = dice.below(2) == 0;
    let mut restarted = false;
    for _ in 0..STEPS {
        match dice.below(11) {
            0..=2 => {
                total += if dice.below(5) == 0 { 0 } else { PRICE };
                let path = if dice.below(3) == 0 { "/breaks-off" } else { "/time" };
                // A restarted seller does safe requests again for one payment.
                let method = if !restarts && dice.below(2) == 0 { "GET" } else { "POST" };
                let asked = env.send(request(method, path, &[("payment-session", &CHANNEL.to_string())])).await;
                let header = env.voucher(&asked.challenge(), total);
                purchases.push(Purchase { method, path, header, answers: HashSet::new() });
            }
            3..=6 => {
                if let Some(purchase) = dice.pick(&mut purchases) {
                    let times = 1 + dice.below(3);
                    purchase.send(&env, times).await;
                }
            }
            7 => env.watcher.state().lost_charges = usize::try_from(dice.below(4)).unwrap(),
            8 => {
                let error = match dice.below(2) {
                    0 => ChargesError::Unreachable("gone".to_owned()),
                    _ => ChargesError::OutcomeUnknown("cut".to_owned()),
                };
                env.watcher.state().failing_credits = Some((usize::try_from(dice.below(3)).unwrap(), error));
            }
            9 => {
                // Two different purchases at the same time, perhaps with the same voucher.
                if let [.., one, other] = purchases.as_mut_slice() {
                    tokio::join!(one.send(&env, 1), other.send(&env, 2));
                }
            }
            _ if restarts => {
                env.restart();
                restarted = true;
            }
            _ => {}
        }
    }
    env.watcher.state().lost_charges = 0;
    env.watcher.state().failing_credits = None;
    for purchase in &mut purchases {
        env.until_decided(purchase.method, purchase.path, &[("authorization", &purchase.header)]).await;
        let status = purchase.send(&env, 1).await;
        assert!([200, 402, 409].contains(&status), "sequence {number}: {status}");
        assert!(purchase.answers.len() <= 1, "sequence {number}: one payment got {:?}", purchase.answers);
    }
    // One run of the handler was for the first purchase.
    let (runs, served) = (env.sold() - 1, purchases.iter().filter(|purchase| !purchase.answers.is_empty()).count());
    assert_eq!(runs, served, "sequence {number}: each run of the handler was for one payment");
    let (_, spent) = env.watcher.totals(&CHANNEL);
    let cost = i128::from(PRICE) * i128::try_from(served + 1).unwrap();
    if restarted {
        assert!(spent >= cost, "sequence {number}: {spent} was paid for what costs {cost}");
    } else {
        assert_eq!(spent, cost, "sequence {number}");
    }
}

#[tokio::test]
async fn nobody_is_served_without_paying_and_nobody_pays_without_being_served() {
    let mut playing = JoinSet::new();
    for number in 1..=SEQUENCES {
        playing.spawn(play(number));
    }
    while let Some(played) = playing.join_next().await {
        played.unwrap();
    }
}
