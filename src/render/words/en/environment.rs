//! English words of environments.

use deminer_engine::playbook::Layer;
use deminer_worker::action::Effect;

use super::super::environment::EnvironmentWords;
use super::English;

impl EnvironmentWords for English {
    fn environment(&self, name: &str, left_out: &[(String, String)]) -> String {
        let steps: Vec<String> = left_out.iter().map(|(step, why)| format!("`{step}` ({why})")).collect();
        match steps.is_empty() {
            true => name.to_owned(),
            false => format!("{name}; it leaves out {}", steps.join(", ")),
        }
    }

    fn at_most(&self, most: Effect) -> String {
        format!("at most `{most}`")
    }

    fn never_touched(&self, what: &str) -> String {
        format!("never {what}")
    }

    fn removal_only(&self, windows: &str) -> String {
        format!("removal only {windows}")
    }

    fn most_actions(&self, most: u64) -> String {
        format!("at most {most} actions on one host")
    }

    fn variables_of(&self, playbook: &str, host: Option<&str>, environment: Option<&str>) -> String {
        let host = host.map_or(String::new(), |host| format!(" on {host}"));
        let environment = environment.map_or(String::new(), |name| format!(" under {name}"));
        format!("{playbook}{host}{environment}; what stands lower counts more. No host was touched.")
    }

    fn layer(&self, layer: Layer, group: Option<&str>) -> String {
        let word = match layer {
            Layer::Default => "default",
            Layer::Environment => "environment",
            Layer::Group => "group",
            Layer::Host => "host",
            Layer::Set => "command line",
        };
        match group.filter(|_| layer == Layer::Group) {
            Some(group) => format!("{word} {group}"),
            None => word.to_owned(),
        }
    }

    fn merged(&self, said: &str) -> String {
        format!("{said} over it")
    }

    fn no_value(&self) -> &'static str {
        "no value: it must be given"
    }

    fn secret_from(&self, what: &str, place: &str) -> String {
        format!("{what} from {place}")
    }

    fn value_of(&self, name: &str, value: &str, own: Option<&str>) -> String {
        match own {
            Some(own) => format!("{name} = {value} (playbook: {own})"),
            None => format!("{name} = {value}"),
        }
    }

    fn values_on(&self, hosts: &str, values: &str) -> String {
        format!("on {hosts}: {values}")
    }
}
