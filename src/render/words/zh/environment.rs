//! Chinese words of environments.

use deminer_engine::playbook::Layer;
use deminer_worker::action::Effect;

use super::super::environment::EnvironmentWords;
use super::Chinese;

impl EnvironmentWords for Chinese {
    fn environment(&self, name: &str, left_out: &[(String, String)]) -> String {
        let steps: Vec<String> = left_out
            .iter()
            .map(|(step, why)| format!("`{step}`（{why}）"))
            .collect();
        match steps.is_empty() {
            true => name.to_owned(),
            false => format!("{name}；停用步骤 {}", steps.join("、")),
        }
    }

    fn at_most(&self, most: Effect) -> String {
        format!("最多允许 `{most}`")
    }

    fn never_touched(&self, what: &str) -> String {
        format!("绝不触碰 {what}")
    }

    fn removal_only(&self, windows: &str) -> String {
        format!("仅允许在 {windows} 清除")
    }

    fn most_actions(&self, most: u64) -> String {
        format!("每台主机最多 {most} 个动作")
    }

    fn variables_of(&self, playbook: &str, host: Option<&str>, environment: Option<&str>) -> String {
        let host = host.map_or(String::new(), |host| format!("，主机 {host}"));
        let environment = environment.map_or(String::new(), |name| format!("，环境 {name}"));
        format!("{playbook}{host}{environment}；越靠下优先级越高。未连接任何主机。")
    }

    fn layer(&self, layer: Layer, group: Option<&str>) -> String {
        let word = match layer {
            Layer::Default => "默认值",
            Layer::Environment => "环境",
            Layer::Group => "主机组",
            Layer::Host => "主机",
            Layer::Set => "命令行",
        };
        match group.filter(|_| layer == Layer::Group) {
            Some(group) => format!("{word} {group}"),
            None => word.to_owned(),
        }
    }

    fn merged(&self, said: &str) -> String {
        format!("在其上合并 {said}")
    }

    fn no_value(&self) -> &'static str {
        "没有值：必须给出"
    }

    fn secret_from(&self, what: &str, place: &str) -> String {
        format!("{what}，取自 {place}")
    }

    fn value_of(&self, name: &str, value: &str, own: Option<&str>) -> String {
        match own {
            Some(own) => format!("{name} = {value}（剧本默认 {own}）"),
            None => format!("{name} = {value}"),
        }
    }

    fn values_on(&self, hosts: &str, values: &str) -> String {
        format!("{hosts}：{values}")
    }
}
