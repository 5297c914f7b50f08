//! Chinese words of whether a run's directory is as it was written.

use super::super::audit::{AuditWords, Unsound};
use super::Chinese;

impl AuditWords for Chinese {
    fn audited(&self, run: &str, chains: u64, lines: u64, sound: u64) -> String {
        format!("运行 {run}：日志 {chains} 份，成立的记录 {lines} 行；证据库回读 {sound} 项。")
    }

    fn does_not_hold(&self) -> &'static str {
        "不成立"
    }

    fn unsound(&self, what: &Unsound<'_>) -> String {
        match *what {
            Unsound::Broken { chain, line, why } => format!("{chain} 的日志第 {line} 行：{why}"),
            Unsound::Torn { chain, bytes } => format!("{chain} 的日志末尾有 {bytes} 字节的残行；崩溃会留下这种残行"),
            Unsound::Stranger(chain) => format!("{chain} 的日志属于另一次运行，或是重复的一份"),
            Unsound::NoChain(host) => format!("{host} 属于本次运行，却没有日志"),
            Unsound::Stray(file) => format!("journal/{file} 不是本次运行的日志"),
            Unsound::Short(host) => format!("{host} 的日志缺少曾经有过的行"),
            Unsound::Plan {
                expected,
                found: Some(found),
            } => format!("计划：运行开始时是 {expected}，这里是 {found}"),
            Unsound::Plan { expected, found: None } => format!("计划：运行开始时是 {expected}，这里没有可读的计划"),
            Unsound::HostPlan(host) => format!("{host} 的计划不是当时执行的那一份"),
            Unsound::Approval => "批准文件不在，或不是当时核对过的那一份".to_owned(),
            Unsound::Signed(file) => format!("approvals/{file} 不在，或不是当时核对过的那一份"),
            Unsound::Damaged { file, why } => format!("{file}：{why}"),
            Unsound::Missing(sha256) => format!("证据库缺少内容 {sha256}"),
            Unsound::Manifest(line) => format!("证据库清单第 {line} 行无法读取"),
            Unsound::Unlisted { sha256, host } => format!("证据库清单对内容 {sha256} 的记载与 {host} 的日志不符"),
            Unsound::Claimed { sha256, host } => format!("证据库清单有 {host} 的内容 {sha256}，日志中却没有"),
            Unsound::Head(head) => format!("本次运行没有任何日志的末端是或曾是 {head}：有内容被截去"),
        }
    }

    fn all_holds(&self) -> &'static str {
        "全部相互吻合。要证明没有被整体重写，须与另处打印或保存的末端哈希比对。"
    }

    fn head_of_journals(&self, head: &str) -> String {
        format!("日志末端哈希 {head}：另行保存，可证明日志未被改动。")
    }

    fn may_grow(&self) -> &'static str {
        "本次运行尚未完成：日志还会增长。"
    }
}
