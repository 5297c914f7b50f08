//! Chinese words for what goes on.

use deminer_engine::event::Seen;
use deminer_engine::finding::HostVerdict;

use super::super::{Crowd, Noun, ProgressWords, Slow, Things};
use super::Chinese;
use crate::render::progress::Stage;
use crate::render::unit::grouped;

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

    fn crowd(&self, crowd: &Crowd) -> String {
        let stage = |(stage, [all, infected, returned]): &(Stage, [u64; 3])| {
            let mut of = Vec::new();
            if *infected > 0 {
                of.push(format!("感染 {}", grouped(*infected)));
            }
            if *returned > 0 {
                of.push(format!("复发 {}", grouped(*returned)));
            }
            let of = match of.is_empty() {
                true => String::new(),
                false => format!("（{}）", of.join("，")),
            };
            format!("{} {}{of}", self.stage(*stage), grouped(*all))
        };
        let mut words: Vec<String> = crowd.stages.iter().map(stage).collect();
        if crowd.lost > 0 {
            words.push(format!("失去连接 {}", grouped(crowd.lost)));
        }
        if crowd.failed > 0 {
            words.push(format!("失败 {}", grouped(crowd.failed)));
        }
        format!("{}：{}", self.count(crowd.hosts, Noun::Host), words.join("，"))
    }

    fn slowest(&self, slow: &[Slow]) -> String {
        let hosts = slow.iter().map(|slow| {
            let doing = match slow.stage {
                Stage::Looking if slow.step.is_empty() => String::new(),
                Stage::Looking => format!("，已完成 {}", slow.step),
                stage => format!("，{}", self.stage(stage)),
            };
            format!("{} {}{doing}", slow.host, self.span(slow.worked_ms))
        });
        format!("；最慢：{}", hosts.collect::<Vec<_>>().join("；"))
    }

    fn further_lines(&self) -> &'static str {
        "其余单台主机的消息不再列出；计划或报告中有全部内容"
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
