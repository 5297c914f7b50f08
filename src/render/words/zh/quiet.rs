//! Chinese words of what is contained after one yes.

use super::super::quiet::QuietWords;
use super::super::things::Things;
use super::Chinese;

impl QuietWords for Chinese {
    fn nothing_to_contain(&self) -> &'static str {
        "没有需要遏制的对象。未改动任何东西。"
    }

    fn would_contain(&self, changes: u64) -> String {
        format!("将做 {changes} 项改动，此外不做任何事：不结束、不删除、不取证。全部可立即撤销。")
    }

    fn type_yes(&self, hosts: u64) -> String {
        format!("输入 `yes` 在 {hosts} 台主机上执行：")
    }

    fn to_do_it(&self, command: &str) -> String {
        format!("未改动任何东西。如要执行：{command}")
    }

    fn nothing_was_changed(&self) -> &'static str {
        "未改动任何东西。"
    }

    fn to_take_it_back(&self, command: &str) -> String {
        format!("如要撤销：{command}")
    }

    fn holds_packets(&self, table: &str, ms: u64) -> String {
        format!(
            "nftables 表 `{table}` 最多拦截数据包 {}，不论本程序结果如何；之后其规则不再匹配任何数据包，保留到下一次在该主机执行 apply 或 undo",
            self.span(ms)
        )
    }
}
