//! Random sequences, split so that a machine's cores share them.

use crate::support::{run, sequences};

macro_rules! quarters {
    ($($name:ident),+) => {$(
        #[test]
        fn $name() {
            run(sequences().div_ceil(4));
        }
    )+};
}

quarters!(
    first_quarter_of_the_sequences,
    second_quarter_of_the_sequences,
    third_quarter_of_the_sequences,
    fourth_quarter_of_the_sequences
);
