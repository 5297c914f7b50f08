//! Chinese words for a walk over many hosts.

use super::super::things::Things;
use super::super::walk::WalkWords;
use super::Chinese;

impl WalkWords for Chinese {
    fn no_more_hosts(&self) -> &'static str {
        "不再开始新的主机；已开始的会执行到结束。再按一次 Ctrl-C 将中断它们"
    }

    fn breaking_off(&self) -> &'static str {
        "正在中断：尚未越过提交点的主机会恢复全部被冻结的进程；已越过的会自行执行到结束"
    }

    fn host_timed_out(&self, limit_ms: u64) -> String {
        format!("用时超过 {}", self.span(limit_ms))
    }

    fn broken_off(&self) -> &'static str {
        "被操作人员中断"
    }

    fn not_begun(&self) -> &'static str {
        "未开始：操作人员不再开始新的主机"
    }

    fn not_begun_since(&self, rule: &str) -> String {
        format!("未开始：因 --stop-when {rule} 而停止")
    }

    fn run_timed_out(&self, limit_ms: u64) -> String {
        format!("未开始：本次运行用时超过 {}", self.span(limit_ms))
    }
}
