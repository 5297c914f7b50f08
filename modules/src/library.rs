//! What comes with the modules: steps to include, and rules to name.

use deminer_engine::playbook::Library;

/// The shipped library. A file of steps that does something else gets a new name beside the old one.
pub const LIBRARY: Library = Library::new(&[
    ("look-1.yml", include_str!("../../playbooks/library/look-1.yml")),
    ("judge-1.yml", include_str!("../../playbooks/library/judge-1.yml")),
    ("trace-1.yml", include_str!("../../playbooks/library/trace-1.yml")),
    ("strike-1.yml", include_str!("../../playbooks/library/strike-1.yml")),
    ("rules/families.yml", include_str!("../../playbooks/rules/families.yml")),
    ("rules/keys.yml", include_str!("../../playbooks/rules/keys.yml")),
    ("rules/linux.yml", include_str!("../../playbooks/rules/linux.yml")),
]);
