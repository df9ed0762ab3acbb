//! Makes the world of a failing seed as small as possible.

use crate::world::{Limits, Lived, run};

/// Makes the world of a failing seed smaller as long as it fails: nothing at the same time, fewer channels, fewer ledgers, no
/// crashes, fewer kinds of faults.
pub fn shrink(seed: u64, mut limits: Limits) -> (Limits, Lived) {
    let mut smallest = run(seed, limits);
    loop {
        let mut candidates = Vec::new();
        if limits.channels > 1 {
            candidates.push(Limits { channels: limits.channels - 1, ..limits });
        }
        if limits.overlaps {
            candidates.push(Limits { overlaps: false, ..limits });
        }
        if limits.holes {
            candidates.push(Limits { holes: false, ..limits });
        }
        if limits.several {
            candidates.push(Limits { several: false, ..limits });
        }
        if limits.crashes {
            candidates.push(Limits { crashes: false, ..limits });
        }
        if limits.ledgers > 5 {
            candidates.push(Limits { ledgers: limits.ledgers / 2, ..limits });
            candidates.push(Limits { ledgers: limits.ledgers - 5, ..limits });
        }
        for bit in 0..64 {
            if limits.faults & (1 << bit) != 0 {
                candidates.push(Limits { faults: limits.faults & !(1 << bit), ..limits });
            }
        }
        let smaller = candidates.into_iter().find_map(|candidate| {
            let lived = run(seed, candidate);
            (!lived.violations.is_empty() && lived != smallest).then_some((candidate, lived))
        });
        match smaller {
            Some((found, lived)) => (limits, smallest) = (found, lived),
            None => return (limits, smallest),
        }
    }
}
