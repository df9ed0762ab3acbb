//! What each metered step of the host costs, in CPU instructions and in bytes of memory: the figures of the public
//! test network (protocol 28). Rows are in the order of `ContractCostType`, which is the order the settings entry has.

use stellar_xdr::{ContractCostParamEntry, ContractCostParams, ContractCostType, ExtensionPoint};

/// One row: the step, its CPU (constant, linear) terms, its memory (constant, linear) terms.
///
/// The linear term is in 128ths per unit of input (soroban-env-host, `COST_MODEL_LIN_TERM_SCALE_BITS`).
type Row = (ContractCostType, (i64, i64), (i64, i64));

#[rustfmt::skip]
const ROWS: [Row; 86] = {
    use ContractCostType as T;
    [
        (T::WasmInsnExec, (4, 0), (0, 0)),
        (T::MemAlloc, (434, 16), (16, 128)),
        (T::MemCpy, (42, 16), (0, 0)),
        (T::MemCmp, (44, 16), (0, 0)),
        (T::DispatchHostFunction, (295, 0), (0, 0)),
        (T::VisitObject, (60, 0), (0, 0)),
        (T::ValSer, (221, 26), (242, 384)),
        (T::ValDeser, (331, 4_369), (0, 384)),
        (T::ComputeSha256Hash, (3_636, 7_013), (0, 0)),
        (T::ComputeEd25519PubKey, (40_256, 0), (0, 0)),
        (T::VerifyEd25519Sig, (377_551, 4_059), (0, 0)),
        (T::VmInstantiation, (417_482, 45_712), (132_773, 4_903)),
        (T::VmCachedInstantiation, (41_142, 634), (69_472, 1_217)),
        (T::InvokeVmFunction, (1_945, 0), (14, 0)),
        (T::ComputeKeccak256Hash, (6_481, 5_943), (0, 0)),
        (T::DecodeEcdsaCurve256Sig, (711, 0), (0, 0)),
        (T::RecoverEcdsaSecp256k1Key, (2_314_804, 0), (181, 0)),
        (T::Int256AddSub, (4_176, 0), (99, 0)),
        (T::Int256Mul, (4_716, 0), (99, 0)),
        (T::Int256Div, (4_680, 0), (99, 0)),
        (T::Int256Pow, (4_256, 0), (99, 0)),
        (T::Int256Shift, (884, 0), (99, 0)),
        (T::ChaCha20DrawBytes, (1_059, 502), (0, 0)),
        (T::ParseWasmInstructions, (73_077, 25_410), (17_564, 6_457)),
        (T::ParseWasmFunctions, (0, 540_752), (0, 47_464)),
        (T::ParseWasmGlobals, (0, 176_363), (0, 13_420)),
        (T::ParseWasmTableEntries, (0, 29_989), (0, 6_285)),
        (T::ParseWasmTypes, (0, 1_061_449), (0, 64_670)),
        (T::ParseWasmDataSegments, (0, 237_336), (0, 29_074)),
        (T::ParseWasmElemSegments, (0, 328_476), (0, 48_095)),
        (T::ParseWasmImports, (0, 701_845), (0, 103_229)),
        (T::ParseWasmExports, (0, 429_383), (0, 36_394)),
        (T::ParseWasmDataSegmentBytes, (0, 28), (0, 257)),
        (T::InstantiateWasmInstructions, (43_030, 0), (70_704, 0)),
        (T::InstantiateWasmFunctions, (0, 7_556), (0, 14_613)),
        (T::InstantiateWasmGlobals, (0, 10_711), (0, 6_833)),
        (T::InstantiateWasmTableEntries, (0, 3_300), (0, 1_025)),
        (T::InstantiateWasmTypes, (0, 0), (0, 0)),
        (T::InstantiateWasmDataSegments, (0, 23_038), (0, 129_632)),
        (T::InstantiateWasmElemSegments, (0, 42_488), (0, 13_665)),
        (T::InstantiateWasmImports, (0, 828_974), (0, 97_637)),
        (T::InstantiateWasmExports, (0, 297_100), (0, 9_176)),
        (T::InstantiateWasmDataSegmentBytes, (0, 14), (0, 126)),
        (T::Sec1DecodePointUncompressed, (1_882, 0), (0, 0)),
        (T::VerifyEcdsaSecp256r1Sig, (3_000_906, 0), (0, 0)),
        (T::Bls12381EncodeFp, (661, 0), (0, 0)),
        (T::Bls12381DecodeFp, (985, 0), (0, 0)),
        (T::Bls12381G1CheckPointOnCurve, (1_934, 0), (0, 0)),
        (T::Bls12381G1CheckPointInSubgroup, (730_510, 0), (0, 0)),
        (T::Bls12381G2CheckPointOnCurve, (5_921, 0), (0, 0)),
        (T::Bls12381G2CheckPointInSubgroup, (1_057_822, 0), (0, 0)),
        (T::Bls12381G1ProjectiveToAffine, (92_642, 0), (0, 0)),
        (T::Bls12381G2ProjectiveToAffine, (100_742, 0), (0, 0)),
        (T::Bls12381G1Add, (7_689, 0), (0, 0)),
        (T::Bls12381G1Mul, (2_458_985, 0), (0, 0)),
        (T::Bls12381G1Msm, (2_347_584, 94_135_478), (109_494, 266_603)),
        (T::Bls12381MapFpToG1, (1_020_885, 0), (2_776, 0)),
        (T::Bls12381HashToG1, (2_638_451, 6_803), (5_896, 0)),
        (T::Bls12381G2Add, (25_207, 0), (0, 0)),
        (T::Bls12381G2Mul, (7_873_219, 0), (0, 0)),
        (T::Bls12381G2Msm, (7_663_880, 298_580_871), (219_654, 266_603)),
        (T::Bls12381MapFp2ToG2, (1_856_539, 0), (1_672, 0)),
        (T::Bls12381HashToG2, (6_315_452, 7_232), (3_960, 0)),
        (T::Bls12381Pairing, (10_558_948, 632_860_943), (2_204, 9_340_474)),
        (T::Bls12381FrFromU256, (1_994, 0), (0, 0)),
        (T::Bls12381FrToU256, (1_155, 0), (248, 0)),
        (T::Bls12381FrAddSub, (74, 0), (0, 0)),
        (T::Bls12381FrMul, (332, 0), (0, 0)),
        (T::Bls12381FrPow, (691, 74_558), (0, 128)),
        (T::Bls12381FrInv, (35_421, 0), (0, 0)),
        (T::Bn254EncodeFp, (344, 0), (0, 0)),
        (T::Bn254DecodeFp, (476, 0), (0, 0)),
        (T::Bn254G1CheckPointOnCurve, (904, 0), (0, 0)),
        (T::Bn254G2CheckPointOnCurve, (2_811, 0), (0, 0)),
        (T::Bn254G2CheckPointInSubgroup, (1_706_052, 0), (0, 0)),
        (T::Bn254G1ProjectiveToAffine, (61, 0), (0, 0)),
        (T::Bn254G1Add, (3_623, 0), (0, 0)),
        (T::Bn254G1Mul, (1_150_435, 0), (0, 0)),
        (T::Bn254Pairing, (5_263_916, 392_472_814), (1_821, 6_232_546)),
        (T::Bn254FrFromU256, (2_052, 0), (0, 0)),
        (T::Bn254FrToU256, (1_133, 0), (312, 0)),
        (T::Bn254FrAddSub, (74, 0), (0, 0)),
        (T::Bn254FrMul, (332, 0), (0, 0)),
        (T::Bn254FrPow, (755, 68_930), (0, 0)),
        (T::Bn254FrInv, (33_151, 0), (0, 0)),
        (T::Bn254G1Msm, (1_185_193, 41_568_084), (73_061, 229_779)),
    ]
};

/// The CPU table of the network's settings.
pub(super) fn cpu() -> ContractCostParams {
    params(|row| row.1)
}

/// The memory table of the network's settings.
pub(super) fn memory() -> ContractCostParams {
    params(|row| row.2)
}

fn params(terms: impl Fn(&Row) -> (i64, i64)) -> ContractCostParams {
    let entries: Vec<_> = ROWS
        .iter()
        .map(|row| {
            let (const_term, linear_term) = terms(row);
            ContractCostParamEntry { ext: ExtensionPoint::V0, const_term, linear_term }
        })
        .collect();
    ContractCostParams(entries.try_into().expect("86 rows are below the limit of 1,024"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_cost_types() {
        let order: Vec<i32> = ROWS.iter().map(|row| row.0 as i32).collect();
        assert_eq!(order, (0..86).collect::<Vec<_>>());
        assert_eq!(ContractCostType::VARIANTS.len(), ROWS.len());
    }
}
