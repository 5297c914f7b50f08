//! A crate beside Deminer's that adds a module of its own, without a change to Deminer's crates.
//!
//! A module is written as `CONTRIBUTING.md` says; [`modules`] is what such a crate gives. Whoever builds a command of their own
//! adds them to the registry: `Registry::new(deminer_modules::all().into_iter().chain(deminer_example_module::modules()))`.

mod memory_files;

use deminer_engine::module::Module;

pub use memory_files::MemoryFiles;

/// The modules of this crate.
pub fn modules() -> Vec<Module> {
    vec![Module::collector(MemoryFiles)]
}
