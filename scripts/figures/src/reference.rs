//! The figures of the other public contracts: the reference (stellar-experimental/one-way-channel at 4b2fce5,
//! soroban-sdk 25.3.0) and its fork. Their public source was built with rustc 1.95.0, and this program measured the
//! builds on 2026-11-24. On 2026-11-25 it measured the reference's rents where entries live for 120 days, and its row
//! for a channel's life.
//!
//! To measure one again, build its source beside the project and run `scripts/figures.sh --wasm FILE --json calls`.

use crate::calls::LIFE;
use crate::env::Cost;
use crate::settings::Settings;

/// One build of another contract.
pub(crate) struct Reference {
    /// Its name in a table's header.
    pub(crate) name: &'static str,
    /// How it was built.
    pub(crate) how: &'static str,
    pub(crate) wasm_bytes: usize,
    /// The costs on testnet's settings.
    rows: &'static [(&'static str, Cost)],
    /// The rents where entries live for at least 120 days, in stroops. Empty where they were not measured.
    long_lives_rents: &'static [(&'static str, i64)],
    /// The instructions on the host of protocol 25.
    on_protocol_25: [(&'static str, u64); 6],
}

impl Reference {
    /// What a call costs on these settings, where it was measured.
    pub(crate) fn on(&self, settings: Settings, name: &str) -> Option<Cost> {
        let find = |rents: &[(&str, i64)]| rents.iter().find(|(row, _)| *row == name).map(|row| row.1);
        let (_, cost) = self.rows.iter().find(|(row, _)| *row == name)?;
        match settings {
            Settings::Testnet => Some(*cost),
            // Only the rent depends on how long entries live.
            Settings::LongLives => Some(Cost { rent: find(self.long_lives_rents)?, ..*cost }),
        }
    }

    /// The instructions of a call on the host of protocol 25.
    pub(crate) fn on_protocol_25(&self, name: &str) -> Option<u64> {
        let row = self.on_protocol_25.iter().find(|(row, _)| *row == name)?;
        Some(row.1)
    }
}

const fn cost(instructions: u32, fee: i64, rent: i64) -> Cost {
    Cost { instructions, fee, rent }
}

/// The reference as its Makefile builds it.
pub(crate) const MAKEFILE: Reference = Reference {
    name: "reference",
    how: "as its Makefile does: stellar contract build, stellar-cli 28.1, without its optimiser",
    wasm_bytes: 14_053,
    rows: &[
        ("upload", cost(12_921_293, 87_486, 6_000_343)),
        ("open", cost(1_231_978, 21_728, 140_806)),
        ("top_up", cost(741_575, 13_217, 0)),
        ("settle, first", cost(1_283_607, 17_268, 5_445)),
        ("settle", cost(1_290_746, 17_273, 0)),
        ("close", cost(1_559_436, 24_254, 10_500)),
        ("close_start", cost(632_015, 7_085, 5_056)),
        ("refund", cost(819_330, 13_221, 0)),
        (LIFE, cost(4_082_728, 63_256, 151_307)),
    ],
    long_lives_rents: &[
        ("upload", 102_773_098),
        ("open", 1_105_084),
        ("top_up", 0),
        ("settle, first", 93_334),
        ("settle", 0),
        ("close", 180_000),
        ("close_start", 86_667),
        ("refund", 0),
        (LIFE, 1_285_085),
    ],
    on_protocol_25: [
        ("top_up", 1_824_177),
        ("settle, first", 2_366_340),
        ("settle", 2_376_619),
        ("close", 2_708_220),
        ("close_start", 1_409_888),
        ("refund", 1_920_705),
    ],
};

/// The same, optimised by wasm-opt.
pub(crate) const OPTIMISED: Reference = Reference {
    name: "reference -Oz",
    how: "the same, then wasm-opt -Oz of binaryen 108 (what stellar-cli 28.1 does where it has its optimiser)",
    wasm_bytes: 12_454,
    rows: &[
        ("upload", cost(11_577_040, 78_201, 5_604_455)),
        ("open", cost(1_213_698, 21_715, 140_806)),
        ("top_up", cost(734_163, 13_211, 0)),
        ("settle, first", cost(1_268_779, 17_258, 5_445)),
        ("settle", cost(1_276_502, 17_263, 0)),
        ("close", cost(1_529_525, 24_233, 10_500)),
        ("close_start", cost(622_183, 7_078, 5_056)),
        ("refund", cost(809_498, 13_214, 0)),
    ],
    long_lives_rents: &[],
    on_protocol_25: [
        ("top_up", 1_758_931),
        ("settle, first", 2_293_678),
        ("settle", 2_304_541),
        ("close", 2_621_626),
        ("close_start", 1_342_222),
        ("refund", 1_853_039),
    ],
};

/// The reference without link-time optimisation.
pub(crate) const PLAIN: Reference = Reference {
    name: "reference, cargo build",
    how: "cargo build --release: with an rlib beside it there is no link-time optimisation",
    wasm_bytes: 22_887,
    rows: &[
        ("upload", cost(20_347_623, 138_742, 13_365_251)),
        ("open", cost(1_315_995, 21_787, 140_806)),
        ("top_up", cost(773_604, 13_239, 0)),
        ("settle, first", cost(1_348_855, 17_314, 5_445)),
        ("settle", cost(1_357_178, 17_320, 0)),
        ("close", cost(1_668_724, 24_331, 10_500)),
        ("close_start", cost(672_664, 7_113, 5_056)),
        ("refund", cost(864_435, 13_253, 0)),
    ],
    long_lives_rents: &[],
    on_protocol_25: [
        ("top_up", 2_168_776),
        ("settle, first", 2_742_279),
        ("settle", 2_753_422),
        ("close", 3_125_875),
        ("close_start", 1_763_107),
        ("refund", 2_278_380),
    ],
};

/// The fork. It stores as much as our contract does: the deposits, and whether a channel is final.
pub(crate) const FORK: Reference = Reference {
    name: "fork",
    how: "mpprouter/one-way-channel at 06eea8c2 with soroban-sdk 25.3.2, without the docs of its functions",
    wasm_bytes: 10_353,
    rows: &[
        ("upload", cost(9_810_889, 66_014, 7_030_575)),
        ("open", cost(1_370_158, 22_536, 53_723_321)),
        ("top_up", cost(886_697, 17_019, 0)),
        ("settle, first", cost(1_366_738, 17_315, 46_667)),
        ("settle", cost(1_379_099, 17_324, 0)),
        ("close", cost(1_672_254, 24_294, 120_000)),
        ("close_start", cost(680_336, 7_167, 43_334)),
        ("refund", cost(916_526, 16_273, 30_000)),
    ],
    long_lives_rents: &[],
    on_protocol_25: [
        ("top_up", 1_818_262),
        ("settle, first", 2_295_937),
        ("settle", 2_310_673),
        ("close", 2_664_994),
        ("close_start", 1_307_425),
        ("refund", 1_866_077),
    ],
};
