//! `deminer schema`

use deminer_engine::authored::Authored;

use super::Desk;
use crate::cli::{Schema, SchemaOf};
use crate::exit::Exit;

/// Prints the schema of what was named.
pub(crate) fn run(desk: &Desk, arguments: &Schema) -> Exit {
    let schema = match arguments.of {
        SchemaOf::Playbook => Authored::Playbook,
        SchemaOf::Environment => Authored::Environment,
        SchemaOf::Test => Authored::Test,
        SchemaOf::Host => Authored::Host,
    };
    let schema = schema.schema(&desk.registry).unwrap_or_default();
    desk.screen.json(&schema);
    Exit::Done
}
