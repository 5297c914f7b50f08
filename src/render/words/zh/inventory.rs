//! Chinese words of an inventory.

use deminer_engine::inventory::{Layer, WhyUnused};

use super::super::inventory::{Entry, InventoryWords};
use super::Chinese;

impl InventoryWords for Chinese {
    fn entry(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Groups => "主机组",
            Entry::Listed => "定义于",
            Entry::Reached => "连接方式",
            Entry::Settings => "连接设置",
            Entry::Variables => "变量",
            Entry::NotUsed => "未采用",
            Entry::ToDo => "处理办法",
        }
    }

    fn hosts_and_groups(&self, hosts: u64, groups: u64) -> String {
        format!("{hosts} 台主机，{groups} 个主机组")
    }

    fn over_ssh(&self, end: &str, jump: Option<&str>, sudo: bool) -> String {
        let jump = match jump {
            None => String::new(),
            Some("none") => "，不经跳板机".to_owned(),
            Some(jump) => format!("，经跳板机 {jump}"),
        };
        format!("ssh {end}{jump}{}", if sudo { "，使用 sudo" } else { "" })
    }

    fn this_machine(&self) -> &'static str {
        "本机"
    }

    fn in_memory(&self, world: &str) -> String {
        format!("内存中的模拟主机：{world}")
    }

    fn not_as_it_says(&self, why: &str) -> String {
        format!("无法按清单连接：{why}")
    }

    fn said_for(&self, layer: Layer, group: Option<&str>) -> String {
        let group = group.unwrap_or_default();
        match layer {
            Layer::All => "全部主机".to_owned(),
            Layer::Group => format!("主机组 {group}"),
            Layer::AllVars => "全部主机的变量文件".to_owned(),
            Layer::GroupVars => format!("主机组 {group} 的变量文件"),
            Layer::Host => "主机".to_owned(),
            Layer::HostVars => "主机的变量文件".to_owned(),
            Layer::Command => "命令行".to_owned(),
        }
    }

    fn by_its_name(&self) -> &'static str {
        "清单未指定，使用主机名"
    }

    fn stands_over(&self, value: &str, said: &str) -> String {
        format!("覆盖 {value}（{said}）")
    }

    fn not_evaluated(&self, text: &str) -> String {
        format!("未求值：{text}")
    }

    fn encrypted(&self) -> &'static str {
        "***（已加密，未读取）"
    }

    fn unused(&self, why: WhyUnused) -> &'static str {
        match why {
            WhyUnused::Password => "不从清单读取口令：请用密钥、agent 或已打开的 ControlMaster 登录",
            WhyUnused::SudoPassword => "不从清单读取 sudo 口令",
            WhyUnused::Interpreter => "不需要主机上的解释器",
            WhyUnused::HostKeys => "始终检查主机密钥",
            WhyUnused::Tuning => "由 Deminer 自行设置",
            WhyUnused::Other => "此处用不到",
        }
    }

    fn all_of_one(&self, command: &str) -> String {
        format!("查看某台主机的全部设置及来源：{command}")
    }

    fn variable_passed_over(&self, place: &str, name: &str, near: &str) -> String {
        format!("{place}：剧本没有变量 `{name}`；是否想写 `{near}`？")
    }
}
