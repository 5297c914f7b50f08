//! Chinese words of approvals.

use deminer_engine::approval::Needed;

use super::super::approval::{ApprovalWords, Approved, by_effect};
use super::Chinese;

impl ApprovalWords for Chinese {
    fn needs(&self, people: Needed, unsigned: bool, list: Option<&str>) -> String {
        let list = list.map(|list| format!("，依据签名人名单 {list}")).unwrap_or_default();
        match (unsigned, people.most()) {
            (true, _) => format!("一次批准，签名与否均可{list}"),
            (false, _) if people.least() < people.most() => {
                let [keep, contain, destroy] = by_effect(people);
                format!("由不同的人签名的批准书：取证 {keep} 份，遏制 {contain} 份，清除 {destroy} 份{list}")
            }
            (false, 1) => format!("1 份签名批准书{list}"),
            (false, more) => format!("{more} 份由不同的人签名的批准书{list}"),
        }
    }

    fn approves(&self, approved: &Approved<'_>) -> String {
        let (actions, left_out) = approved.actions;
        let (hosts, names) = approved.hosts;
        let left_out = match left_out {
            0 => String::new(),
            left_out => format!("；排除 {left_out} 个"),
        };
        format!(
            "{}：{hosts} 台主机上的 {actions} 个动作，{names}{left_out}",
            approved.effects.join("、")
        )
    }

    fn signed_with(&self, file: &str, key: &str) -> String {
        format!("{file}，密钥 {key}")
    }

    fn not_signed_yet(&self) -> &'static str {
        "尚无：签名之前不作数"
    }

    fn counts_not_here(&self) -> &'static str {
        "批准书已写入。按此处的策略，它不作数。"
    }

    fn approved_too_rarely(&self, hosts: &str) -> String {
        format!("批准人数不足，不作改动：{hosts}")
    }

    fn signed_by(&self, signer: &str, key: &str, at: &str) -> String {
        format!("由 `{signer}` 用 {key} 于 {at} 签名")
    }

    fn head_is_signed(&self, file: &str, namespace: &str) -> String {
        format!("已按 {namespace} 签名：{file} 与 {file}.sig；请保存在与本次运行不同的地方")
    }
}
