//! Chinese words for a walk over many hosts.

use deminer_engine::event::Purpose;
use deminer_engine::status::Status;

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

    fn no_run_is_open(&self) -> &'static str {
        "没有未完成的运行：已批准的都已完成，或只能重新制定计划"
    }

    fn no_runs(&self) -> &'static str {
        "还没有任何运行"
    }

    fn purpose(&self, purpose: Purpose) -> &'static str {
        match purpose {
            Purpose::Look => "查看",
            Purpose::Apply => "执行",
            Purpose::Undo => "撤销",
        }
    }

    fn at_work(&self) -> &'static str {
        "正在执行"
    }

    fn cut_short(&self) -> &'static str {
        "中途中断"
    }

    fn so_many_are(&self, hosts: u32, status: Status) -> String {
        format!("{hosts} 台{}", self.status(status))
    }
}
