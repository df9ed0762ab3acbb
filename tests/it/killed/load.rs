//! Callers that send commitments, charges and credits until they are paused, and the check that runs meanwhile.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use paychan_channel::ContractId;
use paychan_tests::watcher::{Caller, PATIENCE, Payer, Watcher};
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::memory::{Memory, Sale, units};

struct Channel {
    payer: Payer,
    memory: Mutex<Memory>,
}

impl Channel {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/channels/{}/{rest}", self.payer.channel)
    }

    /// A charge without a credit, and how much of it to give back. The amount is remembered before the credit is
    /// requested.
    fn sale_to_credit(&self) -> Option<(String, i128)> {
        let mut memory = self.memory();
        let open = |sale: &Sale| sale.acknowledged && sale.credit.is_none() && !sale.checked;
        let (id, sale) = memory.sales.iter_mut().find(|(_, sale)| open(sale))?;
        let back = fastrand::i128(1..=sale.price);
        sale.credit = Some((back, false));
        Some((id.clone(), back))
    }

    /// Signs a commitment that is `more` above all earlier ones.
    fn sign_more(&self, more: i128) -> Value {
        let mut memory = self.memory();
        memory.signed += more;
        let total = memory.signed;
        drop(memory);
        json!({ "amount": total.to_string(), "signature": self.payer.sign(total) })
    }
}

/// The callers. They stop when this is dropped.
pub(super) struct Load {
    channels: Arc<Vec<Channel>>,
    /// It is locked for reading during each request, and for writing while no request may be sent.
    gate: Arc<RwLock<()>>,
    _callers: JoinSet<()>,
}

impl Load {
    pub(super) fn start(watcher: &Watcher, payers: Vec<Payer>, connections: usize) -> Load {
        let new = |payer| Channel { payer, memory: Mutex::default() };
        let channels: Arc<Vec<Channel>> = Arc::new(payers.into_iter().map(new).collect());
        let gate = Arc::new(RwLock::new(()));
        let mut callers = JoinSet::new();
        for number in 0..connections {
            let (caller, channels, gate) = (watcher.caller(), channels.clone(), gate.clone());
            callers.spawn(async move {
                loop {
                    let asking = gate.read().await;
                    let answered = ask(&caller, &channels[number % channels.len()]).await;
                    drop(asking);
                    if !answered {
                        sleep(Duration::from_millis(2)).await;
                    }
                }
            });
        }
        Load { channels, gate, _callers: callers }
    }

    /// Waits for the requests under way. No caller sends a request until the guard is dropped.
    pub(super) async fn hold_off(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    pub(super) fn channel(&self, number: usize) -> ContractId {
        self.channels[number].payer.channel
    }

    pub(super) fn highest(&self, number: usize) -> i128 {
        self.channels[number].memory().highest
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.channels.iter().map(|channel| channel.memory().acknowledged).sum()
    }

    /// Repeats every charge and credit since the last check, so that their outcomes are known, and compares the sums.
    /// Returns what is wrong.
    pub(super) async fn check(&self, watcher: &Watcher) -> Vec<String> {
        let mut wrong = Vec::new();
        let caller = watcher.caller();
        for channel in self.channels.iter() {
            let before = watcher.channel(&channel.payer.channel).await.1;
            let acknowledged = channel.memory().highest;
            if units(&before, "highest") < acknowledged {
                wrong.push(format!("{acknowledged} was acknowledged: {before}"));
            }
            let sales: Vec<(String, Sale)> =
                channel.memory().sales.iter().map(|(id, sale)| (id.clone(), sale.clone())).collect();
            for (id, sale) in sales.into_iter().filter(|(_, sale)| !sale.checked) {
                check_sale(&caller, channel, &id, sale, &mut wrong).await;
            }
            let after = watcher.channel(&channel.payer.channel).await.1;
            let mut memory = channel.memory();
            let (highest, spent) = (units(&after, "highest"), units(&after, "spent"));
            if spent != memory.spent() || spent > highest {
                wrong.push(format!("{} was charged: {after}", memory.spent()));
            }
            memory.highest = memory.highest.max(highest);
        }
        wrong
    }
}

/// Sends one request. Returns whether it was answered.
async fn ask(caller: &Caller, channel: &Channel) -> bool {
    match fastrand::u32(..10) {
        0..3 => {
            let mut body = channel.sign_more(fastrand::i128(1..=5_000));
            body["request_id"] = channel.memory().next_id().into();
            let Ok((status, answer)) = caller.post(&channel.path("commitments"), &body).await else { return false };
            taken(channel, status, &answer)
        }
        3..6 => {
            let (id, body) = new_sale(channel);
            let Ok((status, answer)) = caller.post(&channel.path("charges"), &body).await else { return false };
            concluded(channel, &id, status, &answer)
        }
        6..9 => {
            let sales: Vec<(String, Value)> = (0..fastrand::usize(2..=5)).map(|_| new_sale(channel)).collect();
            let with_channel = |(_, body): &(String, Value)| {
                let mut charge = body.clone();
                charge["channel"] = channel.payer.channel.to_string().into();
                charge
            };
            let charges: Vec<Value> = sales.iter().map(with_channel).collect();
            let Ok((status, all)) = caller.post("/v1/charges", &json!({ "charges": charges })).await else {
                return false;
            };
            let mut taken = false;
            for (at, (id, _)) in sales.iter().enumerate() {
                let answer = &all["answers"][at];
                // Each charge is taken or refused for itself. Without such answers the whole call was refused.
                let status_of = |refused: &Value| u16::try_from(refused["status"].as_u64().unwrap()).unwrap();
                taken |= match (answer.get("charged"), answer.get("refused")) {
                    (Some(charged), _) => concluded(channel, id, 200, charged),
                    (_, Some(refused)) => concluded(channel, id, status_of(refused), refused),
                    _ => concluded(channel, id, status, answer),
                };
            }
            taken
        }
        _ => {
            let Some((id, back)) = channel.sale_to_credit() else { return false };
            let path = channel.path(&format!("charges/{id}/credit"));
            let body = json!({ "amount": back.to_string() });
            let Ok((status, _)) = caller.post(&path, &body).await else { return false };
            let mut memory = channel.memory();
            if status == 200 {
                memory.acknowledged += 1;
                memory.sales.get_mut(&id).unwrap().credit = Some((back, true));
            }
            status == 200
        }
    }
}

/// A new charge with its id. It is remembered before it is sent, since its answer may be lost.
fn new_sale(channel: &Channel) -> (String, Value) {
    let price = fastrand::i128(1..=5_000);
    let commitment = channel.sign_more(price);
    let id = channel.memory().next_id();
    let body = json!({ "price": price.to_string(), "request_id": id, "commitment": commitment });
    let sale = Sale { body: body.clone(), price, acknowledged: false, credit: None, checked: false };
    channel.memory().sales.insert(id.clone(), sale);
    (id, body)
}

/// Remembers the answer to a charge. Returns whether it was taken.
fn concluded(channel: &Channel, id: &str, status: u16, answer: &Value) -> bool {
    let taken = taken(channel, status, answer);
    let mut memory = channel.memory();
    match memory.sales.get_mut(id) {
        Some(sale) if taken => sale.acknowledged = true,
        // A refusal means that nothing was written, except when the store failed.
        _ if status < 500 => drop(memory.sales.remove(id)),
        _ => {}
    }
    taken
}

fn taken(channel: &Channel, status: u16, answer: &Value) -> bool {
    if status != 200 {
        return false;
    }
    let mut memory = channel.memory();
    memory.acknowledged += 1;
    memory.highest = memory.highest.max(units(answer, "highest"));
    true
}

/// Repeats a charge and its credit.
async fn check_sale(caller: &Caller, channel: &Channel, id: &str, sale: Sale, wrong: &mut Vec<String>) {
    let (status, answer) = certain(caller, &channel.path("charges"), &sale.body).await;
    if sale.acknowledged && (status != 200 || answer["replayed"] != true) {
        wrong.push(format!("the charge {id} was acknowledged, and is answered with {status} {answer}"));
    }
    if status != 200 {
        channel.memory().sales.remove(id);
        return;
    }
    let mut credit = sale.credit;
    if let Some((back, given)) = sale.credit {
        let path = channel.path(&format!("charges/{id}/credit"));
        let (status, answer) = certain(caller, &path, &json!({ "amount": back.to_string() })).await;
        if given && (status != 200 || answer["replayed"] != true) {
            wrong.push(format!("the credit of {id} was acknowledged, and is answered with {status} {answer}"));
        }
        credit = Some((back, status == 200));
    }
    let known = Sale { acknowledged: true, credit, checked: true, ..sale };
    channel.memory().sales.insert(id.to_owned(), known);
}

/// Repeats a request until its outcome is certain.
async fn certain(caller: &Caller, path: &str, body: &Value) -> (u16, Value) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match caller.post(path, body).await {
            Ok((status, answer)) if status < 500 => return (status, answer),
            other => assert!(Instant::now() < deadline, "no certain answer: {other:?}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}
