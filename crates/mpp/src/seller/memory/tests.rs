#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
//! Tests what is remembered, what is forgotten, and that neither takes up more than it may.

use super::*;
use crate::seller::request_id::Target;

const ONE: ContractId = ContractId([1; 32]);

fn channel(number: u32) -> ContractId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    ContractId(id)
}

fn id(number: usize) -> RequestId {
    RequestId::new(&format!("sale {number}")).unwrap()
}

fn amount(number: usize) -> Amount {
    Amount::from(u64::try_from(number).unwrap())
}

fn answer(bytes: usize) -> Option<KeptAnswer> {
    Some(KeptAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: vec![0; bytes] })
}

fn memory_of(channels: &[ContractId]) -> Memory {
    let mut memory = Memory::default();
    channels.iter().for_each(|id| memory.meet(id, Amount::ZERO));
    memory
}

/// Begins sale `number` with a voucher for as much.
fn begin(memory: &mut Memory, channel: &ContractId, number: usize, key: Option<&str>) -> Result<(), Earlier> {
    let target = Target::of("POST /");
    let key = key.map(str::as_bytes);
    memory.begin(channel, &Wanted { request_id: &id(number), target, key })
}

fn sell(memory: &mut Memory, channel: &ContractId, number: usize) {
    begin(memory, channel, number, None).unwrap();
    memory.sell(channel, &id(number), amount(number));
}

#[test]
fn a_sale_that_was_taken_back_may_be_made_and_one_whose_handler_was_asked_may_not() {
    let mut memory = memory_of(&[ONE]);
    begin(&mut memory, &ONE, 1, Some("key")).unwrap();
    assert_eq!(begin(&mut memory, &ONE, 1, None), Err(Earlier::Running));
    assert_eq!(begin(&mut memory, &ONE, 2, Some("key")), Err(Earlier::Running), "the key is reserved too");
    memory.release(&ONE, &id(1));
    assert!(memory.uses(&ONE, &id(1), amount(1)).voucher_unused);
    begin(&mut memory, &ONE, 2, Some("key")).unwrap();
    memory.release(&ONE, &id(2));

    sell(&mut memory, &ONE, 1);
    assert!(!memory.uses(&ONE, &id(1), amount(1)).voucher_unused);
    memory.release(&ONE, &id(1));
    assert_eq!(begin(&mut memory, &ONE, 1, None), Err(Earlier::Running), "a late release takes nothing back");
    let other = memory.uses(&ONE, &id(2), amount(1));
    assert_eq!(other, Uses { voucher_unused: false, sale_never_begun: true }, "another sale with the same voucher");
    memory.broke_off(&ONE, &id(1));
    assert_eq!(begin(&mut memory, &ONE, 1, None), Err(Earlier::Running), "its charge is being given back");
    memory.release(&ONE, &id(1));
    assert_eq!(begin(&mut memory, &ONE, 1, None), Err(Earlier::BrokeOff));
    assert!(!memory.uses(&ONE, &id(1), amount(1)).voucher_unused);
}

#[test]
fn a_forgotten_voucher_counts_as_used_whether_it_was_answered_or_not() {
    for answered in [false, true] {
        let mut memory = memory_of(&[ONE]);
        sell(&mut memory, &ONE, 1);
        if answered {
            memory.answered(&ONE, &id(1), answer(10));
        }
        for number in 2..=SALES_PER_CHANNEL + 1 {
            sell(&mut memory, &ONE, number);
        }
        assert_eq!(begin(&mut memory, &ONE, 1, None), Ok(()), "it is forgotten");
        assert!(!memory.uses(&ONE, &id(1), amount(1)).voucher_unused, "and counts as used");
        assert_eq!(memory.used, Used { sales: SALES_PER_CHANNEL, bytes: 0 });
        let mut again = memory_of(&[]);
        again.meet(&ONE, amount(5));
        assert!(
            !again.uses(&ONE, &id(5), amount(5)).voucher_unused && again.uses(&ONE, &id(6), amount(6)).voucher_unused
        );
    }
}

#[test]
fn keys_are_forgotten_with_their_sales() {
    let mut memory = memory_of(&[ONE]);
    for number in 1..=SALES_PER_CHANNEL + 1 {
        begin(&mut memory, &ONE, number, Some(&format!("key {number}"))).unwrap();
        memory.sell(&ONE, &id(number), amount(number));
        memory.answered(&ONE, &id(number), None);
    }
    assert_eq!(begin(&mut memory, &ONE, 5_000, Some("key 2")), Err(Earlier::Answered(None)));
    assert_eq!(begin(&mut memory, &ONE, 5_000, Some("key 1")), Ok(()));
}

#[test]
fn the_answers_of_all_channels_fit_and_those_who_keep_most_lose_their_oldest() {
    let (large, small) = (channel(1), channel(2));
    let mut memory = memory_of(&[large, small]);
    sell(&mut memory, &small, 1);
    memory.answered(&small, &id(1), answer(100));
    let each = LARGEST_KEPT_BODY;
    for number in 1..=KEPT_BODIES / each + 10 {
        sell(&mut memory, &large, number);
        memory.answered(&large, &id(number), answer(each));
        assert!(memory.used.bytes <= KEPT_BODIES);
    }
    let kept = |memory: &mut Memory, channel, number| match begin(memory, channel, number, None) {
        Err(Earlier::Answered(kept)) => kept.is_some(),
        other => panic!("{other:?}"),
    };
    assert!(kept(&mut memory, &small, 1));
    assert!(!kept(&mut memory, &large, 1) && kept(&mut memory, &large, KEPT_BODIES / each + 10));
    assert!(memory.used.bytes > KEPT_BODIES - 2 * each, "the room is used");
}

#[test]
fn the_channel_that_was_used_the_longest_time_ago_is_forgotten_but_none_that_is_being_charged() {
    let mut memory = memory_of(&[]);
    let all = u32::try_from(CHANNELS).unwrap();
    for number in 1..=all {
        memory.meet(&channel(number), Amount::ZERO);
        sell(&mut memory, &channel(number), 1);
        memory.answered(&channel(number), &id(1), answer(10));
    }
    begin(&mut memory, &channel(1), 2, None).unwrap();
    for number in 1..=all {
        if number != 3 {
            assert_eq!(
                begin(&mut memory, &channel(number), 1, None),
                Err(Earlier::Answered(Some(Arc::new(answer(10).unwrap()))))
            );
        }
    }
    memory.meet(&channel(all + 1), Amount::ZERO);
    assert!(!memory.knows(&channel(3)), "the others were used since");
    assert!(memory.knows(&channel(1)) && memory.knows(&channel(all + 1)));
    assert_eq!(memory.used, Used { sales: CHANNELS - 1, bytes: 10 * (CHANNELS - 1) });
}

#[test]
fn the_sales_of_all_channels_together_are_bounded() {
    let mut memory = memory_of(&[]);
    for number in 0..=u32::try_from(SALES / SALES_PER_CHANNEL).unwrap() {
        memory.meet(&channel(number), Amount::ZERO);
        for sale in 1..=SALES_PER_CHANNEL {
            sell(&mut memory, &channel(number), sale);
        }
        assert!(memory.used.sales <= SALES);
    }
    assert!(!memory.knows(&channel(0)) && memory.knows(&channel(1)));
}
