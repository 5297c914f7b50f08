//! Chinese words for what goes on.

use deminer_engine::event::Seen;
use deminer_engine::finding::HostVerdict;

use super::super::{Noun, ProgressWords, Things};
use super::Chinese;
use crate::render::progress::Stage;

impl ProgressWords for Chinese {
    fn stage(&self, stage: Stage) -> &'static str {
        match stage {
            Stage::Waiting => "等待",
            Stage::Looking => "查看中",
            Stage::Looked => "已查看",
            Stage::Keeping => "取证中",
            Stage::Frozen => "已冻结并留存",
            Stage::Striking => "清除中",
            Stage::Watching => "观察中",
            Stage::Through => "已结束",
        }
    }

    fn looking_with(&self, step: &str) -> String {
        format!("查看中，{step}")
    }

    fn frozen_and_kept(&self, frozen: u32, kept: u32, ready: bool) -> String {
        match ready {
            true => format!("已冻结 {frozen}，已留存 {kept}"),
            false => format!("取证中，已冻结 {frozen}，已留存 {kept}"),
        }
    }

    fn removing(&self, done: usize, of: usize) -> String {
        format!("清除中，{done}/{of}")
    }

    fn hosts_by_stage(&self, hosts: usize, stages: &[(Stage, u64)], lost: usize) -> String {
        let words: Vec<String> = stages
            .iter()
            .map(|(stage, hosts)| format!("{} {hosts}", self.stage(*stage)))
            .collect();
        let lost = match lost {
            0 => String::new(),
            lost => format!("；{lost} 台失去连接"),
        };
        format!("{}：{}{lost}", self.count(hosts as u64, Noun::Host), words.join("，"))
    }

    fn time_left(&self, ms: u64) -> String {
        format!("，还剩 {}", self.span(ms))
    }

    fn step_failed(&self, step: &str, why: &str, went_on: bool) -> String {
        let on = if went_on { "，跳过继续" } else { "" };
        format!("步骤 {step} 失败{on}：{why}")
    }

    fn looked(&self, verdict: Option<HostVerdict>) -> String {
        match verdict {
            Some(verdict) => format!("已查看，{}", self.verdict(verdict)),
            None => "已查看，未判定".to_owned(),
        }
    }

    fn looking_again(&self, round: u32) -> String {
        format!("再次查看，第 {round} 轮")
    }

    fn link_lost(&self, why: &str) -> String {
        format!("连接中断：{why}")
    }

    fn not_reached(&self, why: &str) -> String {
        format!("无法连接：{why}")
    }

    fn blocked(&self, why: &str) -> String {
        format!("被主机自身的安全机制阻止：{why}")
    }

    fn failed(&self, place: &str, why: &str) -> String {
        format!("{place} 失败：{why}")
    }

    fn watched(&self, covered_ms: u64, window_ms: u64, seen: Seen) -> String {
        let word = match seen {
            Seen::Clean => "未复发",
            Seen::Returned => "复发",
            Seen::CannotSay => "无法判断",
        };
        format!("已观察 {}，共 {}：{word}", self.span(covered_ms), self.span(window_ms))
    }

    fn not_done(&self, action: &str, why: &str) -> String {
        format!("{action} 未完成：{why}")
    }

    fn drifted(&self, component: u32, why: &str) -> String {
        format!("组件 {component} 已变化，原样保留：{why}")
    }

    fn refused(&self, why: &str) -> String {
        format!("主机拒绝执行，未改动任何东西：{why}")
    }

    fn stand_still(&self, frozen: u32) -> String {
        format!("{frozen} 个进程仍被我们冻结")
    }
}
