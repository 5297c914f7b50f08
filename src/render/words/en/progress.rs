//! English words for what goes on.

use deminer_engine::event::Seen;
use deminer_engine::finding::HostVerdict;

use super::super::{Crowd, Noun, ProgressWords, Slow, Things};
use super::English;
use super::things::counted;
use crate::render::progress::Stage;
use crate::render::unit::grouped;

impl ProgressWords for English {
    fn stage(&self, stage: Stage) -> &'static str {
        match stage {
            Stage::Waiting => "waiting",
            Stage::Looking => "looking",
            Stage::Looked => "looked at",
            Stage::Keeping => "keeping evidence",
            Stage::Frozen => "frozen and kept",
            Stage::Striking => "removing",
            Stage::Watching => "watching",
            Stage::Through => "through",
        }
    }

    fn looking_with(&self, step: &str) -> String {
        format!("looking, {step}")
    }

    fn frozen_and_kept(&self, frozen: u32, kept: u32, ready: bool) -> String {
        match ready {
            true => format!("{frozen} frozen, {kept} kept"),
            false => format!("keeping evidence, {frozen} frozen, {kept} kept"),
        }
    }

    fn removing(&self, done: usize, of: usize) -> String {
        format!("removing, {done} of {of}")
    }

    fn crowd(&self, crowd: &Crowd) -> String {
        let stage = |(stage, [all, infected, returned]): &(Stage, [u64; 3])| {
            let mut of = Vec::new();
            if *infected > 0 {
                of.push(format!("{} infected", grouped(*infected)));
            }
            if *returned > 0 {
                of.push(format!("{} returned", grouped(*returned)));
            }
            let of = match of.is_empty() {
                true => String::new(),
                false => format!(" ({})", of.join(", ")),
            };
            format!("{} {}{of}", grouped(*all), self.stage(*stage))
        };
        let mut words: Vec<String> = crowd.stages.iter().map(stage).collect();
        if crowd.lost > 0 {
            words.push(format!("{} lost", grouped(crowd.lost)));
        }
        if crowd.failed > 0 {
            words.push(format!("{} failed", grouped(crowd.failed)));
        }
        format!("{}: {}", self.count(crowd.hosts, Noun::Host), words.join(", "))
    }

    fn slowest(&self, slow: &[Slow]) -> String {
        let hosts = slow.iter().map(|slow| {
            let doing = match slow.stage {
                Stage::Looking if slow.step.is_empty() => String::new(),
                Stage::Looking => format!(", after {}", slow.step),
                stage => format!(", {}", self.stage(stage)),
            };
            format!("{} {}{doing}", slow.host, self.span(slow.worked_ms))
        });
        format!("; slowest {}", hosts.collect::<Vec<_>>().join("; "))
    }

    fn further_lines(&self) -> &'static str {
        "further lines about single hosts are left out; the plan or the report has all"
    }

    fn time_left(&self, ms: u64) -> String {
        format!(", {} left", self.span(ms))
    }

    fn step_failed(&self, step: &str, why: &str, went_on: bool) -> String {
        let on = if went_on { ", going on without it" } else { "" };
        format!("step {step} failed{on}: {why}")
    }

    fn looked(&self, verdict: Option<HostVerdict>) -> String {
        match verdict {
            Some(verdict) => format!("looked at, {}", self.verdict(verdict)),
            None => "looked at, not judged".to_owned(),
        }
    }

    fn looking_again(&self, round: u32) -> String {
        format!("looking again, round {round}")
    }

    fn link_lost(&self, why: &str) -> String {
        format!("the link is lost: {why}")
    }

    fn not_reached(&self, why: &str) -> String {
        format!("not reached: {why}")
    }

    fn blocked(&self, why: &str) -> String {
        format!("stopped by the host's own security: {why}")
    }

    fn failed(&self, place: &str, why: &str) -> String {
        format!("failed at {place}: {why}")
    }

    fn watched(&self, covered_ms: u64, window_ms: u64, seen: Seen) -> String {
        let word = match seen {
            Seen::Clean => "clean",
            Seen::Returned => "returned",
            Seen::CannotSay => "cannot_say",
        };
        format!("watched {} of {}: {word}", self.span(covered_ms), self.span(window_ms))
    }

    fn not_done(&self, action: &str, why: &str) -> String {
        format!("{action} not done: {why}")
    }

    fn drifted(&self, component: u32, why: &str) -> String {
        format!("component {component} drifted, it is left alone: {why}")
    }

    fn refused(&self, why: &str) -> String {
        format!("refused, nothing was changed: {why}")
    }

    fn stand_still(&self, frozen: u32) -> String {
        let processes = counted(u64::from(frozen), "process stands", "processes stand");
        format!("{processes} still by our hand")
    }
}
