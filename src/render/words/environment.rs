//! Words of environments and of where values come from.

use deminer_engine::playbook::Layer;
use deminer_worker::action::Effect;

/// See the module.
pub(crate) trait EnvironmentWords {
    /// Which environment a plan was made under; each step that it leaves out, with why.
    fn environment(&self, name: &str, left_out: &[(String, String)]) -> String;

    /// What an action may do at most.
    fn at_most(&self, most: Effect) -> String;

    /// What is never touched or blocked.
    fn never_touched(&self, what: &str) -> String;

    /// When something may be removed.
    fn removal_only(&self, windows: &str) -> String;

    /// How many actions a host may have.
    fn most_actions(&self, most: u64) -> String;

    /// Which variables of which playbook, for which host, under which environment.
    fn variables_of(&self, playbook: &str, host: Option<&str>, environment: Option<&str>) -> String;

    /// The layer in which something is said, and of which group.
    fn layer(&self, layer: Layer, group: Option<&str>) -> String;

    /// That it changes what stands below it.
    fn merged(&self, said: &str) -> String;

    /// That a variable has no value.
    fn no_value(&self) -> &'static str;

    /// A secret, and where it comes from; `what` stands for it.
    fn secret_from(&self, what: &str, place: &str) -> String;

    /// A value that is another than the playbook's own; `None` where that has none.
    fn value_of(&self, name: &str, value: &str, own: Option<&str>) -> String;

    /// Values that these hosts have in the place of those of all.
    fn values_on(&self, hosts: &str, values: &str) -> String;
}
