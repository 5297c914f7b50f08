//! `deminer schema`

use deminer_engine::authored::Authored;
use deminer_engine::host;

use super::Desk;
use crate::cli::{Schema, SchemaOf};
use crate::exit::Exit;

/// Prints the schema of what was named.
pub(crate) fn run(desk: &Desk, arguments: &Schema) -> Exit {
    let authored = |of: Authored| of.schema(&desk.registry);
    let schema = match arguments.of {
        SchemaOf::Playbook => authored(Authored::Playbook),
        SchemaOf::Environment => authored(Authored::Environment),
        SchemaOf::Test => authored(Authored::Test),
        SchemaOf::Host => host::simulated_schema(),
    };
    desk.screen.json(&schema);
    Exit::Done
}
