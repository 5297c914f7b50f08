//! The bench: the built command as an operator has it, a machine with something planted on it, and what is seen there
//! from outside.
//!
//! Whatever a test starts or writes is taken away when its value is dropped, also when an assertion fails.

pub(crate) mod command;
pub(crate) mod infection;
pub(crate) mod machine;
pub(crate) mod plan;
pub(crate) mod random;
pub(crate) mod terminal;
