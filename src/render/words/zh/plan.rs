//! Chinese words of a plan.

use deminer_worker::many::{Loss, MANY_FILES, MANY_STARTERS};

use super::super::{Noun, PlanWords, Things};
use super::Chinese;
use crate::render::plan::Judged;

const DAY_MS: u64 = 86_400_000;

impl PlanWords for Chinese {
    fn headline(
        &self,
        playbook: &str,
        hosts: u64,
        took_ms: Option<u64>,
        planned: &str,
        judged: &[(usize, Judged)],
    ) -> String {
        let words: Vec<String> = judged
            .iter()
            .map(|(number, judged)| format!("{} {number} 台", self.judged(*judged)))
            .collect();
        let seen = match words.is_empty() {
            true => String::new(),
            false => format!("：{}", words.join("，")),
        };
        let hosts = self.count(hosts, Noun::Host);
        match took_ms {
            Some(took) => format!("{playbook}，{hosts}，用时 {}{seen}。未改动任何东西。", self.span(took)),
            None => format!("{playbook}，{hosts}，制定于 {planned}{seen}。"),
        }
    }

    fn own_yes(&self, host: &str, component: u32, loss: Loss, many: &str) -> String {
        format!(
            "{host} 组件 {component}：{} 个文件，{} 个能启动程序的行、链接或文件；一次批准最多 {MANY_FILES} 个与 {MANY_STARTERS} \
             个。请逐项核对，然后加上 --many {many}",
            loss.files, loss.starters
        )
    }

    fn override_of(&self, host: &str, action: &str, why: &str) -> String {
        format!("{host} {action}：{why}")
    }

    fn overrides(&self, rule: &str, because: &str) -> String {
        format!("受保护（{rule}），仍予改动：{because}")
    }

    fn since(&self, earlier: &str, [new, same, gone]: [u64; 3]) -> String {
        format!("与计划 {earlier} 相比：新增 {new} 项，相同 {same} 项，不再有 {gone} 项。")
    }

    fn overrides_nothing(&self, action: &str) -> String {
        format!("注意：--override {action} 未匹配：计划中没有该编号的、可强制改动的受保护对象")
    }

    fn part(&self, shown: u64, all: u64, hosts: &str) -> String {
        format!("此处显示 {all} 台主机中的 {shown} 台：{hosts}。哈希针对整个计划。")
    }

    fn equal(&self, hosts: u64, actions: u64, names: &str) -> String {
        let hosts = self.count(hosts, Noun::Host);
        match actions {
            0 => format!("{hosts}：结论相同，没有动作：{names}"),
            actions => format!("{hosts}：相同的 {}：{names}", self.count(actions, Noun::Action)),
        }
    }

    fn and_more_hosts(&self, first: &str, more: usize) -> String {
        format!("{first} 等 {} 台", more + 1)
    }

    fn failed_at(&self, place: &str, why: &str) -> String {
        format!("步骤 {place} 失败：{why}；不提出任何改动")
    }

    fn nothing_found(&self) -> &'static str {
        "就其内核所示，没有发现异常"
    }

    fn not_enough_seen(&self, gaps: &str) -> String {
        match gaps.is_empty() {
            true => "所见不足，无法下结论".to_owned(),
            false => format!("所见不足，无法下结论：{gaps}"),
        }
    }

    fn only_a_suspicion(&self) -> &'static str {
        "须由人核查；仅凭怀疑不提出任何改动"
    }

    fn names_no_process(&self) -> &'static str {
        "作出此判定的发现没有指向具体进程"
    }

    fn not_judged(&self) -> &'static str {
        "剧本中没有对它作出判定的步骤"
    }

    fn more_to_look_at(&self, more: usize) -> String {
        format!("另有 {more} 项须核查")
    }

    fn on_many_hosts(&self, hosts: usize, first: &str, said: &str) -> String {
        format!("{first} 等 {hosts} 台主机：{said}")
    }

    fn hidden_by_kernels(&self) -> &'static str {
        "所有主机：其内核所隐藏的内容"
    }

    fn without_call(&self, call: &str) -> String {
        match call {
            "pidfd_open" => "没有 pidfd_open：先停住进程，再次核对，在停住时终止".to_owned(),
            "openat2" => "没有 openat2：逐级进入目录，不跟随任何链接".to_owned(),
            "renameat2" => "没有 renameat2：恰在同一时刻占据该位置的文件会丢失".to_owned(),
            other => format!("没有 {other}"),
        }
    }

    fn clock_differs(&self, ahead_ms: i64) -> String {
        let side = if ahead_ms > 0 { "快" } else { "慢" };
        let apart = match ahead_ms.unsigned_abs() {
            ms if ms < 2 * DAY_MS => self.span(ms),
            ms => format!("{} 天", (ms + DAY_MS / 2) / DAY_MS),
        };
        format!("主机时钟比本机{side} {apart}：主机所报时间以其自身时钟为准，到期一律以本机时钟为准")
    }

    fn runs_to_look(&self, command: &str) -> String {
        format!("查看时会运行主机上的程序，它可能说谎或另做他事：{command}")
    }

    fn footprint(&self, processes: u64, bytes: u64) -> String {
        format!(
            "每台主机：最多 {}、{}，位于一个目录中；结束时清除，如连接中断则在下次连接时清除",
            self.count(processes, Noun::Process),
            self.size(bytes)
        )
    }

    fn sent_worker(&self, bytes: u64, below: &str) -> String {
        format!(
            "经 SSH 传送的工作程序：{}，放在 {below} 下新建的目录中；开始运行后文件和目录即被删除",
            self.size(bytes)
        )
    }

    fn good_until(&self, time: &str, minutes: u64) -> String {
        format!("有效期至 {time}（{minutes} 分钟）")
    }

    fn was_good_until(&self, time: &str) -> String {
        format!("已于 {time} 过期：主机会变化，请重新制定计划")
    }

    fn brings_back(&self) -> &'static str {
        "注意：同一组件的其他进程会被结束，而它可以再次启动它们"
    }

    fn add_each_many(&self) -> &'static str {
        "对上面已核对目标的每个组件加上 --many，或用 --exclude 排除要保留的动作"
    }

    fn nothing_to_do(&self, why: &str) -> String {
        format!("无须处置：{why}")
    }

    fn plan_is_empty(&self) -> &'static str {
        "无须处置：该计划不改动任何主机。未改动任何东西。"
    }

    fn there_is_no_miner(&self) -> &'static str {
        "就各主机内核所示，没有挖矿木马"
    }

    fn no_host_was_looked_at(&self) -> &'static str {
        "无法判断：没有查看到任何主机"
    }

    fn why_nothing(&self, hosts: usize, judged: Judged, only_looks: bool) -> String {
        let why = match judged {
            Judged::Infected if only_looks => "",
            Judged::Infected => "，但没有可以触碰的对象，须由人核查",
            Judged::Suspected => "，须由人核查",
            Judged::CannotSay => "，待可以看到时再查看",
            Judged::Failed => "：上述步骤失败，请排除故障后重新制定计划",
            Judged::NoWord => "：剧本中没有作出判定的步骤",
            Judged::Clean => "",
        };
        format!("{} {hosts} 台{why}", self.judged(judged))
    }

    fn playbook_only_looks(&self, found: &str) -> String {
        format!("不提出任何改动，该剧本只查看：{found}")
    }

    fn plans_removal(&self) -> &'static str {
        "再次查看并提出清除方案，选项与本计划相同；该命令不作任何改动"
    }

    fn would_change(&self) -> &'static str {
        "将要改动："
    }

    fn changes(&self, actions: u64, on: &[(String, usize)], hosts: usize, ends: bool) -> String {
        let hosts = match on {
            [(host, _)] => format!("，在 {host} 上"),
            [] => format!("，涉及 {hosts} 台主机"),
            on => on
                .iter()
                .map(|(host, number)| format!("，{host} {number} 个"))
                .collect(),
        };
        let actions = self.count(actions, Noun::Action);
        let frozen = if ends { "；要终止的进程先冻结" } else { "" };
        format!("{actions}{hosts}{frozen}")
    }

    fn kills(&self, all: usize, on: &[(String, Vec<String>)]) -> String {
        let words = on.iter().map(|(host, pids)| format!("{host} {}", self.pids(pids, 0)));
        format!("终止 {all} 个进程：{}", words.collect::<Vec<_>>().join("，"))
    }

    fn changes_on(&self, kind: &'static str, number: usize, on: &str, hosts: usize, objects: &str) -> String {
        let kind = self.kind(kind);
        match hosts {
            1 => format!("{kind} {number} 项，{on}：{objects}"),
            hosts => format!("{kind}每台 {number} 项，{on}，共 {hosts} 台主机：{objects}"),
        }
    }

    fn kept_first(&self, items: &str) -> String {
        format!("{items}，存入证据库并回读校验")
    }

    fn births_by_executable(&self, sha256: &str) -> String {
        format!("运行 sha256 {sha256} 的新进程")
    }

    fn births_by_descent(&self, exe: &str, argv: &str) -> String {
        format!("由待终止进程派生、运行 sha256 {exe} 且参数 sha256 为 {argv} 的新进程")
    }

    fn envelope(&self, births: &str, at_most: u32) -> String {
        match births.is_empty() {
            true => "无：除上述内容外不得做任何事".to_owned(),
            false => format!("还可终止：{births}；每台主机的每个组件最多 {at_most} 个"),
        }
    }

    fn may_still_fire(&self, scheduler: &str, path: &str) -> String {
        format!("`{scheduler}` 仍可能触发 {path}")
    }

    fn waits(&self, because: &str, hosts: &str) -> String {
        format!("最后一次查看等到下一个整分钟之后：{because}，{hosts}")
    }

    fn subject(&self, name: &str, busy: Option<&str>, said: Option<&str>) -> String {
        let busy = busy.map(|busy| format!("，{busy}")).unwrap_or_default();
        let said = said.map(|said| format!("：{said}")).unwrap_or_default();
        format!("`{name}`{busy}{said}")
    }

    fn the_rest_of_the_points(&self, more: usize) -> String {
        let rare = "同类信号合计时减分，且挖矿进程本就少见";
        match more {
            0 => rare.to_owned(),
            more => format!("另有 {more} 个信号；{rare}"),
        }
    }

    fn busy_and_explained(&self) -> &'static str {
        "繁忙，但有合理解释"
    }

    fn pids(&self, pids: &[String], more: usize) -> String {
        match more {
            0 => format!("进程 {}", pids.join(" ")),
            more => format!("进程 {} 等 {} 个", pids.join(" "), pids.len() + more),
        }
    }

    fn runs(&self, exe: &str, deleted: bool, argv: Option<&str>) -> String {
        let deleted = if deleted { "（已删除）" } else { "" };
        let argv = argv.map(|argv| format!("，命令行 {argv}")).unwrap_or_default();
        format!("{exe}{deleted}{argv}")
    }

    fn more_processes(&self, more: u64, stand_below: bool) -> String {
        let below = if stand_below { "，见下文" } else { "" };
        format!("另有 {more} 个进程{below}")
    }

    fn more_starters(&self, more: usize) -> String {
        format!("另有 {more} 项，见下文")
    }
}
