//! Chinese words of the account of a run.

use deminer_engine::ask::ReplyMeans;
use deminer_engine::event::Seen;
use deminer_engine::report::{Entry, UndoWay};
use deminer_engine::status::Status;
use deminer_worker::action::Role;
use deminer_worker::frame::{Part, Spared};

use super::super::report::{Advice, ChainsEnd, Names, Obstacle, Outcome, ReportWords};
use super::super::{Label, Noun, Removed, Things};
use super::Chinese;

impl Chinese {
    fn names(&self, hosts: &Names) -> String {
        match hosts.named.is_empty() {
            true => self.many_hosts(hosts.all),
            false => hosts.named.join("、"),
        }
    }
}

impl ReportWords for Chinese {
    fn not_through(&self, open: Option<&Names>) -> String {
        let hosts = open.map(|open| format!("{} 尚未结束。", self.names(open)));
        format!(
            "本次运行尚未结束：仍在进行，或已中断。{}日志中没有的，一概不明。",
            hosts.unwrap_or_default()
        )
    }

    fn before_commit(&self, hosts: &Names) -> String {
        format!("{} 在提交之前结束：未改动任何东西。", self.names(hosts))
    }

    fn not_begun_there(&self, hosts: &Names) -> String {
        format!("{} 尚未开始：未改动任何东西。", self.names(hosts))
    }

    fn found_by_looking(&self, host: &str, actions: usize, [done, not_done, unknown]: [usize; 3]) -> String {
        format!(
            "{host}：{actions} 个动作的结果当时未收到，事后查看得知：完成 {done}，未完成 {not_done}，不明 {unknown}。"
        )
    }

    fn found_back_by_looking(&self, host: &str, actions: usize, [back, left, unknown]: [usize; 3]) -> String {
        format!(
            "{host}：{actions} 个动作是否已撤销当时未收到，事后查看得知：已撤销 {back}，未撤销 {left}，不明 {unknown}。"
        )
    }

    fn journal_does_not_hold(&self, host: &str, why: &str) -> String {
        format!("{host}：其日志不可信：{why}。不据此作出任何好的结论。")
    }

    fn run_journal_broken(&self, line: u64, why: &str) -> String {
        format!("本次运行的日志在第 {line} 行损坏：{why}。其后的内容不予采用。")
    }

    fn run(&self, name: Option<&str>) -> String {
        match name {
            Some(name) => format!("运行 {name}"),
            None => "没有名称的运行".to_owned(),
        }
    }

    fn only_looks(&self) -> &'static str {
        "只查看"
    }

    fn takes_back(&self) -> &'static str {
        "撤销"
    }

    fn plan(&self, hash: &str) -> String {
        format!("计划 {hash}")
    }

    fn approved(&self, by: &str, means: &str, at: &str, left_out: usize) -> String {
        let left_out = match left_out {
            0 => String::new(),
            excluded => format!("，排除 {excluded} 个动作"),
        };
        format!("由 `{by}`（{means}）于 {at} 批准{left_out}")
    }

    fn unsigned(&self, means: &str) -> String {
        format!("{}，未签名", self.means(means))
    }

    fn means<'m>(&self, means: &'m str) -> &'m str {
        match means {
            "command line" => "命令行",
            "terminal" => "终端",
            "demo" => "演练",
            "signature" => "签名",
            other => other,
        }
    }

    fn verify(&self, seen: Seen, covered_ms: u64, window_ms: u64, entry: Entry) -> String {
        let (covered, window) = (self.span(covered_ms), self.span(window_ms));
        match seen {
            Seen::Clean => match entry {
                Entry::Unknown => format!("{window}内未复发"),
                Entry::Open => format!("{window}内未复发，入口未封堵：将会复发"),
                Entry::Closed => format!("{window}内未复发，入口已封堵"),
            },
            Seen::Returned => format!("复发，已观察 {covered}，共 {window}"),
            Seen::CannotSay => format!("无法判断，已观察 {covered}，共 {window}"),
        }
    }

    fn kept(&self, items: u64, bytes: u64) -> String {
        format!("{}，{}", self.count(items, Noun::Item), self.size(bytes))
    }

    fn removed(&self, what: Removed, number: u64) -> String {
        match what {
            Removed::Killed(Role::Miner) => format!("挖矿进程 {number} 个"),
            Removed::Killed(Role::Guardian) => format!("守护进程 {number} 个"),
            Removed::Killed(Role::Companion) => format!("关联进程 {number} 个"),
            Removed::Born => format!("授权范围内的新进程 {number} 个"),
            Removed::Kind("edit_lines") => format!("启动行 {number} 行"),
            Removed::Kind("remove_file") => format!("恶意文件 {number} 个"),
            Removed::Kind("clear_flags") => format!("清除标志的文件 {number} 个"),
            Removed::Kind("remove_unit") => format!("服务单元文件 {number} 个"),
            Removed::Kind("remove_starter") => format!("启动项文件 {number} 个"),
            Removed::Kind("remove_link") => format!("链接 {number} 个"),
            Removed::Kind("block_address") => format!("双向封禁地址 {number} 个"),
            Removed::Kind("isolate") => format!("隔离主机 {number} 台"),
            Removed::Kind("throttle") => format!("限制 CPU 的进程 {number} 个"),
            Removed::Kind("lock_account") => format!("锁定账户 {number} 个"),
            Removed::Kind("run_argv") => format!("执行命令 {number} 条"),
            Removed::Kind(other) => format!("{other} {number}"),
        }
    }

    fn fact(&self, label: Label, fact: &str) -> String {
        format!("{}：{fact}", self.label(label))
    }

    fn sentence(&self, text: &str) -> String {
        format!("{text}。")
    }

    fn facts(&self, facts: &[String]) -> String {
        facts.concat()
    }

    fn stayed_quiet(&self, watched_ms: u64, alone: bool) -> String {
        let alone = if alone {
            "，之后断开登录、无人值守一段时间"
        } else {
            ""
        };
        format!("至少 {}{alone}，未复发。", self.span(watched_ms))
    }

    fn stayed_partly_quiet(&self, watched_ms: u64, quiet: usize, changed: usize, returned: usize) -> String {
        format!(
            "在观察过的主机上至少 {}：{changed} 台已改动主机中，{quiet} 台未复发，{returned} 台复发。",
            self.span(watched_ms)
        )
    }

    fn way_in(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Unknown => "攻击入口：未查明，可能复发。",
            Entry::Open => "攻击入口：未封堵，将会复发。",
            Entry::Closed => "攻击入口：所指明的入口已封堵。",
        }
    }

    fn way_in_open(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Open => "封堵攻击入口：已知的入口仍然存在，将会复发",
            Entry::Unknown | Entry::Closed => "溯源攻击入口：未查明，可能复发",
        }
    }

    fn door_stands(&self, door: &str) -> String {
        format!("未封堵：{door}")
    }

    fn door_is_shut(&self, door: &str) -> String {
        format!("已封堵：{door}")
    }

    fn said_way_in(&self, name: &str) -> String {
        format!("攻击入口 {name}")
    }

    fn frozen_now(&self, frozen: u32) -> String {
        format!("当前仍冻结：{frozen}。")
    }

    fn by_own_kernels(&self) -> &'static str {
        "以上均以各主机自身内核所示为准。"
    }

    fn what_kernels_showed(&self) -> &'static str {
        "各主机自身内核所示"
    }

    fn appeared(&self, time: &str, path: &str) -> String {
        format!("出现 {time}（最早的恶意文件 {path}，按该主机时钟）")
    }

    fn found(&self, time: &str) -> String {
        format!("发现 {time}")
    }

    fn handled(&self, time: &str) -> String {
        format!("处置 {time}")
    }

    fn alarm_from(&self, source: &str) -> String {
        format!("告警来源 {source}")
    }

    fn indicators(&self, indicators: &str) -> String {
        format!("告警线索 {indicators}")
    }

    fn said_to_appear(&self, time: &str) -> String {
        format!("出现 {time}")
    }

    fn done_already(&self, said: &str) -> String {
        format!("临时处置：{said}")
    }

    fn topology(&self, said: &str) -> String {
        format!("网络拓扑：{said}")
    }

    fn answered(&self, question: &str, answer: &str, by: &str, means: ReplyMeans, at: &str) -> String {
        let how = match means {
            ReplyMeans::Terminal => "终端",
            ReplyMeans::File => "文件",
            ReplyMeans::Default => "无人答复，取默认值",
        };
        format!("{question}：`{answer}`（{by}，{how}，{at}）")
    }

    fn journal_stays(&self, path: &str) -> String {
        format!("日志 {path}，直到下次连接")
    }

    fn block_stays(&self, address: &str, until: &str) -> String {
        format!("对 {address} 的封禁，最迟至 {until}")
    }

    fn isolation_stays(&self, until: &str) -> String {
        format!("网络隔离，最迟至 {until}")
    }

    fn throttle_stays(&self, process: &str) -> String {
        format!("{process} 被限制 CPU，直到撤销或结束")
    }

    fn on_hosts(&self, what: &str, hosts: &Names) -> String {
        format!("{what}（{}）。", self.names(hosts))
    }

    fn undo_not_heard(&self) -> &'static str {
        "不明；没有收到结果"
    }

    fn still_holds(&self, process: &str, path: &str) -> String {
        format!("{process} 仍占用 {path}：请重启它")
    }

    fn evidence(&self, part: Part, pid: Option<u32>, path: &str) -> String {
        let part = match part {
            Part::Content => "内容",
            Part::Exe => "可执行文件",
            Part::Argv => "命令行参数",
            Part::Environ => "环境变量",
            Part::Maps => "内存映射",
            Part::Fds => "打开的文件",
        };
        match pid {
            Some(pid) => format!("进程 {pid}（{path}）的{part}"),
            None => format!("{path} 的{part}"),
        }
    }

    fn born(&self, process: &str, exe: Option<&str>, component: u32) -> String {
        let exe = exe.map(|exe| format!("，运行 {exe}")).unwrap_or_default();
        format!("{process}{exe}，属于组件 {component} 授权范围内的新进程")
    }

    fn returned_unsaid(&self) -> &'static str {
        "有东西复发；没有发现说明是什么"
    }

    fn outcome(&self, outcome: Outcome<'_>, looked: bool) -> String {
        let said = match outcome {
            Outcome::LeftOut => return "批准时排除".to_owned(),
            Outcome::NothingHeard => return "没有收到结果".to_owned(),
            Outcome::Begun => return "已开始；没有收到结果".to_owned(),
            Outcome::Skipped(needs) => return format!("未触碰，因为 {needs} 未完成"),
            Outcome::Drifted => return "未触碰，因为所在组件已变化".to_owned(),
            Outcome::Unknown(why) => return format!("不明：{why}"),
            Outcome::Done => "完成".to_owned(),
            Outcome::Gone => "此前已消失".to_owned(),
            Outcome::Already => "此前已是如此".to_owned(),
            Outcome::WouldNotStop => "无法冻结".to_owned(),
            Outcome::Ran(end) => format!("已执行，{end}"),
            Outcome::NotDone(Some(why)) => format!("未完成：{why}"),
            Outcome::NotDone(None) => "未完成".to_owned(),
        };
        format!("{said}{}", if looked { "（事后查看得知）" } else { "" })
    }

    fn expected_found(&self, expected: &str, found: &str) -> String {
        format!("应为 {expected}，实为 {found}")
    }

    fn drift(&self, what: &str, why: &str, component: u32) -> String {
        format!("{what}：{why}；组件 {component} 的其余部分原样保留")
    }

    fn spared(&self, why: &Spared) -> String {
        match why {
            Spared::Older {} => "它在查看主机之前已在运行".to_owned(),
            Spared::Owned { package } => format!("它运行的程序属于软件包 {package}"),
            Spared::NotTold {} => "无法得知判断所需的信息".to_owned(),
            Spared::Protected { rule } => rule.clone(),
            Spared::Beyond { limit } => format!("已达方案允许的上限 {limit} 个"),
        }
    }

    fn obstacle(&self, obstacle: Obstacle<'_>) -> String {
        match obstacle {
            Obstacle::NotReached(why) => format!("无法连接：{why}"),
            Obstacle::Lost(why) => format!("连接中断：{why}"),
            Obstacle::Blocked(why) => format!("被主机自身的安全机制阻止：{why}"),
            Obstacle::Failed { place, why } => format!("{place}：{why}"),
            Obstacle::Refused(why) => format!("主机拒绝开始或继续：{why}"),
            Obstacle::NotOrdered(action) => format!("它报告了未曾下达的动作 {action}"),
            Obstacle::Spared { pid, comm, why } => {
                format!("进程 {pid}（{comm}）符合授权范围，但未处理：{why}")
            }
            Obstacle::Cancelled => "操作人员终止了本次运行".to_owned(),
            Obstacle::Expired(why) => format!("未开始：批准已不再有效：{why}"),
            Obstacle::Closed { windows, opens } => {
                format!("未开始：只允许在 {windows} 清除；下一时段始于 {opens}")
            }
        }
    }

    fn not_said(&self) -> &'static str {
        "未说明"
    }

    fn advice(&self, advice: Advice, hosts: &str) -> String {
        match advice {
            Advice::Ask => format!("向 {hosts} 查问做了什么；在此之前不明"),
            Advice::TakeUp => format!("在 {hosts} 上继续本次运行：有的只做了一半，或结果不明"),
            Advice::Later => format!("到允许清除的时段，再处置 {hosts}"),
            Advice::Watch => format!("观察 {hosts}：尚未确认不会复发"),
            Advice::Look => format!("重新查看 {hosts}；不改动任何东西"),
            Advice::Apply => format!("在核对过 {hosts} 的计划之后"),
            Advice::Plan => format!("为 {hosts} 重新制定计划，供核对与批准"),
            Advice::Further => format!("在允许清除的环境与策略下为 {hosts} 制定计划：本计划只做遏制"),
            Advice::Removal => format!("为 {hosts} 制定清除计划，供核对与批准"),
            Advice::Again => format!("排除障碍后，对 {hosts} 再执行一次"),
            Advice::Review => format!("由人核查 {hosts}；未对其提出改动"),
        }
    }

    fn many_hosts(&self, hosts: usize) -> String {
        format!("{hosts} 台主机")
    }

    fn settled(&self, run: &str) -> String {
        format!("运行 {run} 因进程中止而未结束；实际完成的情况如下：")
    }

    fn not_asked_yet(&self) -> &'static str {
        "尚无法查问；在此之前不明"
    }

    fn not_begun_here(&self) -> &'static str {
        "尚未开始；未改动任何东西"
    }

    fn settled_host(&self, done: usize, of: usize, left: usize, unknown: usize) -> String {
        format!("{of} 项改动中，完成 {done}，未完成 {left}，不明 {unknown}")
    }

    fn settled_undo(&self, back: usize, of: usize, left: usize, unknown: usize) -> String {
        format!("{of} 项改动中，已撤销 {back}，未撤销 {left}，不明 {unknown}")
    }

    fn says_more(&self, command: &str) -> String {
        format!("详见 {command}")
    }

    fn title_hosts(&self, status: Status, hosts: &str) -> String {
        match status {
            Status::Proposed => format!("{hosts} 发现挖矿木马，尚未处置"),
            other => format!("{hosts} {}", self.status(other)),
        }
    }

    fn title_quiet(&self, watched_ms: u64) -> String {
        format!("{}内未复发", self.span(watched_ms))
    }

    fn title_way_in(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Unknown => "攻击入口未查明",
            Entry::Open => "攻击入口未封堵，将会复发",
            Entry::Closed => "攻击入口已封堵",
        }
    }

    fn title_nobody(&self) -> &'static str {
        "没有任何主机的消息"
    }

    fn title(&self, hosts: &[String], facts: &[String], through: bool) -> String {
        let mut parts = Vec::new();
        if !hosts.is_empty() {
            parts.push(hosts.join("，"));
        }
        parts.extend_from_slice(facts);
        if !through {
            parts.push("尚未结束".to_owned());
        }
        format!("挖矿木马处置报告：{}", parts.join("；"))
    }

    fn below(&self, count: &str) -> String {
        format!("{count}，见下文")
    }

    fn kept_read_back(&self, items: u64, bytes: u64) -> String {
        format!("{}，已回读校验", self.kept(items, bytes))
    }

    fn next_heading(&self) -> &'static str {
        "下一步"
    }

    fn hosts_heading(&self) -> &'static str {
        "主机"
    }

    fn rests_heading(&self) -> &'static str {
        "报告依据"
    }

    fn nothing_further(&self) -> &'static str {
        "无其他内容。"
    }

    fn why_lead(&self) -> &'static str {
        "判定理由："
    }

    fn version(&self, heading: &str, version: &str) -> String {
        format!("{heading}。Deminer {version}。")
    }

    fn the_run(&self) -> &'static str {
        "本次运行"
    }

    fn chains_end(&self, end: ChainsEnd) -> String {
        match end {
            ChainsEnd::NotUsed => "未采用".to_owned(),
            ChainsEnd::Whole => "完整".to_owned(),
            ChainsEnd::Torn(bytes) => format!("残缺，舍弃 {}", self.size(bytes)),
            ChainsEnd::Broken(line) => format!("在第 {line} 行损坏"),
        }
    }

    fn undo_way(&self, way: UndoWay) -> &'static str {
        match way {
            UndoWay::Nothing => "-",
            UndoWay::None => "不可撤销",
            UndoWay::AtOnce => "立即",
            UndoWay::FromVault => "从证据库恢复",
            UndoWay::ByCommand => "以命令撤销",
        }
    }
}
