//! Chinese words for what is spoken of everywhere.

use std::borrow::Cow;

use deminer_engine::plan::UndoKind;
use deminer_engine::status::Status;
use deminer_worker::action::{Effect, Role, ServiceManager};
use deminer_worker::query::GapReason;

use super::super::{Label, Noun, Things};
use super::authored::AUTHORED;
use super::{Chinese, protection};
use crate::render::plan::Judged;
use crate::render::unit::{Clock, grouped, scaled};

impl Things for Chinese {
    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Action => "动作",
            Label::AlsoDone => "另外",
            Label::Answered => "人工答复",
            Label::Approval => "批准书",
            Label::Approves => "批准内容",
            Label::GoodUntil => "有效期至",
            Label::Needs => "需要",
            Label::Secrets => "机密变量",
            Label::Signature => "签名",
            Label::Then => "然后",
            Label::Armed => "原样恢复",
            Label::Disarmed => "停用恢复",
            Label::GivesBack => "恢复",
            Label::StaysAsItIs => "不恢复",
            Label::Because => "理由",
            Label::Busy => "繁忙",
            Label::By => "依据",
            Label::Changed => "已改动",
            Label::Clear => "清除标志",
            Label::Clock => "时钟",
            Label::Drifted => "已变化",
            Label::End => "结尾",
            Label::Envelope => "授权范围",
            Label::Environment => "环境",
            Label::External => "外部模块",
            Label::Limits => "限制",
            Label::Failed => "失败",
            Label::Footprint => "留痕",
            Label::FrozenNow => "仍冻结",
            Label::HandOver => "移交",
            Label::Hash => "哈希",
            Label::Holds => "仍占用",
            Label::Host => "主机",
            Label::Playbook => "剧本",
            Label::Purpose => "目的",
            Label::Run => "运行",
            Label::Journal => "日志",
            Label::Kept => "取证",
            Label::KeptFirst => "先行留存",
            Label::KeptInVault => "存入证据库",
            Label::Kind => "类型",
            Label::LastHash => "末行哈希",
            Label::LeftAlone => "未触碰",
            Label::Lines => "行数",
            Label::LookAt => "请核查",
            Label::Covered => "覆盖",
            Label::Never => "未走到",
            Label::Next => "下一步",
            Label::NotDone => "未完成",
            Label::NotKept => "未留存",
            Label::NotKnown => "不明",
            Label::NotSeen => "未覆盖",
            Label::NotUndone => "未撤销",
            Label::Object => "对象",
            Label::OldKernel => "旧版内核",
            Label::OnlyIf => "前提",
            Label::Open => "待办",
            Label::WayIn => "攻击入口",
            Label::Outcome => "结果",
            Label::OwnYes => "单独批准",
            Label::Override => "强制",
            Label::New => "新增",
            Label::NotAnyMore => "不再有",
            Label::Programs => "运行程序",
            Label::Tables => "表",
            Label::Does => "动作",
            Label::NothingOn => "无需遏制",
            Label::Remove => "删除",
            Label::Removed => "查杀",
            Label::Returned => "复发",
            Label::StillThere => "仍在",
            Label::Runs => "运行",
            Label::StartedBy => "启动项",
            Label::Status => "状态",
            Label::Stays => "留在主机",
            Label::Stopped => "已停止",
            Label::Stroke => "清除用时",
            Label::StruckToo => "一并终止",
            Label::Suspect => "疑似",
            Label::TakenBack => "已撤销",
            Label::Times => "时间节点",
            Label::ToLeave => "如需排除",
            Label::Told => "事件情况",
            Label::Trouble => "异常",
            Label::Undo => "撤销",
            Label::Values => "取值",
            Label::Beside => "所附文件",
            Label::Verify => "验证",
            Label::Waits => "等待",
            Label::Watched => "观察",
            Label::WayBack => "撤销方式",
            Label::Why => "详情",
        }
    }

    fn count(&self, number: u64, of: Noun) -> String {
        let number = grouped(number);
        let counted = match of {
            Noun::Action => "个动作",
            Noun::File => "个文件",
            Noun::Finding => "项发现",
            Noun::Host => "台主机",
            Noun::Item | Noun::Thing => "项",
            Noun::Line => "行",
            Noun::Name => "个文件名",
            Noun::Process => "个进程",
        };
        format!("{number} {counted}")
    }

    fn and(&self, words: &[String]) -> String {
        words.join("、")
    }

    fn list(&self, words: &[String]) -> String {
        words.join("、")
    }

    fn commas(&self, parts: &[String]) -> String {
        parts.join("，")
    }

    fn clauses(&self, clauses: &[String]) -> String {
        clauses.join("；")
    }

    fn of(&self, what: &str, said: &str) -> String {
        format!("{what}：{said}")
    }

    fn aside(&self, what: &str, remark: &str) -> String {
        format!("{what}（{remark}）")
    }

    fn more(&self, more: u64) -> String {
        format!("另有 {more} 项")
    }

    fn further(&self, more: u64) -> String {
        format!("另外 {more} 项")
    }

    fn span(&self, ms: u64) -> String {
        match Clock::of(ms) {
            Clock::Milliseconds(ms) => format!("{ms} 毫秒"),
            Clock::Seconds(seconds, 0) => format!("{seconds} 秒"),
            Clock::Seconds(seconds, tenths) => format!("{seconds}.{tenths} 秒"),
            Clock::Minutes(minutes, 0) => format!("{minutes} 分钟"),
            Clock::Minutes(minutes, seconds) => format!("{minutes} 分 {seconds:02} 秒"),
            Clock::Hours(hours, 0, 0) => format!("{hours} 小时"),
            Clock::Hours(hours, minutes, 0) => format!("{hours} 小时 {minutes:02} 分"),
            Clock::Hours(hours, minutes, seconds) => format!("{hours} 小时 {minutes:02} 分 {seconds:02} 秒"),
        }
    }

    fn size(&self, bytes: u64) -> String {
        scaled(bytes).unwrap_or_else(|| format!("{} 字节", grouped(bytes)))
    }

    fn tally(&self, done: u32, of: u32, left_out: u32) -> String {
        match left_out {
            0 => format!("{done}/{of}"),
            left_out => format!("{done}/{of}（另排除 {left_out}）"),
        }
    }

    fn kind(&self, kind: &'static str) -> &'static str {
        match kind {
            "keep" => "留存",
            "freeze" => "冻结",
            "kill" => "终止",
            "remove_file" => "删除文件",
            "edit_lines" => "删除行",
            "clear_flags" => "清除标志",
            "remove_unit" => "删除服务单元",
            "remove_starter" => "删除启动项",
            "remove_link" => "删除链接",
            "reload_units" => "重新加载单元",
            "lock_account" => "锁定账户",
            "block_address" => "封禁地址",
            "isolate" => "隔离网络",
            "throttle" => "限制 CPU",
            "run_argv" => "执行命令",
            other => other,
        }
    }

    fn act(&self, kind: &'static str, object: &str) -> String {
        // No blank between two Chinese words.
        let blank = if object.starts_with("进程") { "" } else { " " };
        format!("{}{blank}{object}", self.kind(kind))
    }

    fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Miner => "挖矿进程",
            Role::Guardian => "守护进程",
            Role::Companion => "关联进程",
        }
    }

    fn status(&self, status: Status) -> &'static str {
        match status {
            Status::Returned => "复发",
            Status::CannotSay => "无法判断",
            Status::Drifted => "已变化",
            Status::Partial => "部分完成",
            Status::Failed => "失败",
            Status::Blocked => "被拦截",
            Status::Unreachable => "无法连接",
            Status::Cancelled => "已取消",
            Status::Waiting => "待时段",
            Status::NotApproved => "未批准",
            Status::Proposed => "待批准",
            Status::Contained => "已遏制",
            Status::Suspected => "疑似",
            Status::Undone => "已撤销",
            Status::Eradicated => "已根除",
            Status::Clean => "未感染",
        }
    }

    fn judged(&self, judged: Judged) -> &'static str {
        match judged {
            Judged::Infected => "已感染",
            Judged::Suspected => "疑似",
            Judged::CannotSay => "无法判断",
            Judged::Failed => "失败",
            Judged::NoWord => "未判定",
            Judged::Clean => "未感染",
        }
    }

    fn process(&self, pid: u32, name: &str) -> String {
        format!("进程 {pid} `{name}`")
    }

    fn lines(&self, numbers: &[u32]) -> String {
        let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
        format!("第 {} 行", words.join("、"))
    }

    fn lines_of(&self, numbers: &[u32], path: &str) -> String {
        format!("{path} {}", self.lines(numbers))
    }

    fn account(&self, name: &str, uid: u32) -> String {
        format!("`{name}`，uid {uid}")
    }

    fn account_named(&self, name: &str) -> String {
        format!("账户 `{name}`")
    }

    fn unit_named(&self, name: &str) -> String {
        format!("服务单元 `{name}`")
    }

    fn units_forgotten(&self, manager: ServiceManager, units: &str) -> String {
        match manager {
            ServiceManager::System {} => format!("系统服务管理器不再加载 {units}"),
            ServiceManager::User { uid } => format!("用户 {uid} 的服务管理器不再加载 {units}"),
        }
    }

    fn blocked_for(&self, address: &str, for_s: u32) -> String {
        let span = self.span(u64::from(for_s) * 1000);
        format!("{address}，双向，{span}后自动解除")
    }

    fn isolated_for(&self, for_s: u32, keep: &[String]) -> String {
        let span = self.span(u64::from(for_s) * 1000);
        let mut but = vec!["我们的会话".to_owned(), "本机回环".to_owned()];
        but.extend_from_slice(keep);
        format!("除{} 外全部，{span}后自动解除", but.join("、"))
    }

    fn the_host(&self) -> &'static str {
        "本主机"
    }

    fn flags(&self, immutable: bool, append_only: bool, others: u32) -> String {
        let mut words = Vec::new();
        if immutable {
            words.push("不可修改".to_owned());
        }
        if append_only {
            words.push("仅可追加".to_owned());
        }
        if others != 0 || words.is_empty() {
            words.push(format!("标志 {others:#x}"));
        }
        words.join("、")
    }

    fn undo(&self, undo: UndoKind) -> &'static str {
        match undo {
            UndoKind::NothingChanged => "不改动",
            UndoKind::Thaw
            | UndoKind::SetFlags
            | UndoKind::RestoreLink
            | UndoKind::UnlockAccount
            | UndoKind::Unblock
            | UndoKind::Unthrottle => "可立即撤销",
            UndoKind::RunArgv => "以命令撤销",
            UndoKind::None => "不可撤销",
            UndoKind::RestoreFile | UndoKind::RestoreLines => "从证据库恢复",
        }
    }

    fn gap(&self, subject: &str, object: &str, why: GapReason) -> String {
        let why = match why {
            GapReason::Denied => "没有权限",
            GapReason::Gone => "读取时已结束",
            GapReason::Cut => "超过长度上限",
            GapReason::TooMany => "超过数量上限",
            GapReason::TimedOut => "未及时应答",
            GapReason::Malformed => "格式不符",
            GapReason::Unsupported => "此处不支持",
            GapReason::Changed => "读取时发生变化",
            GapReason::Untrusted => "没有软件包来源，可以隐藏任何东西",
            GapReason::Testimony => "仅凭主机上程序的说法",
            GapReason::Failed => "查看失败",
            GapReason::NotSought => "`verify` 没有步骤查找它",
        };
        let subject = subject_of_a_gap(subject);
        match object.is_empty() {
            true => format!("{subject}（{why}）"),
            false => format!("{subject} {object}（{why}）"),
        }
    }

    fn directory(&self, path: &str) -> String {
        format!("目录 {path}")
    }

    fn protected(&self, rule: &str) -> String {
        format!("受保护：{}", protection::rule(rule))
    }

    fn limited(&self, most: Effect) -> String {
        format!("最多允许 `{most}`")
    }

    fn needs_what_is_left(&self, action: &str) -> String {
        format!("它依赖 {action}，而该动作未执行")
    }

    fn edited_instead(&self, action: &str) -> String {
        format!("改为由 {action} 从中删除相关行")
    }

    fn serves_nothing(&self) -> &'static str {
        "它所准备的动作未列入计划"
    }

    fn held_directory(&self, flags: &str) -> String {
        format!("该目录{flags}：须先由人清除该标志，其中要删除的内容才能删除")
    }

    fn authored<'a>(&self, words: &'a str) -> &'a str {
        let known = AUTHORED.iter().find(|(english, _)| *english == words);
        known.map_or(words, |(_, chinese)| chinese)
    }

    fn place<'a>(&self, place: &'a str) -> Cow<'a, str> {
        let line = place.strip_prefix("line ").and_then(|rest| rest.split_once(" of "));
        match line {
            Some((number, path)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                Cow::Owned(format!("{path} 第 {number} 行"))
            }
            _ => Cow::Borrowed(place),
        }
    }
}

/// What could not be looked at, by the names that workers and modules give it; another name as it is.
fn subject_of_a_gap(subject: &str) -> &str {
    match subject {
        "account" => "账户",
        "argv" => "命令行参数",
        "command" => "命令",
        "config" => "配置",
        "config_key" => "配置项",
        "cron" => "计划任务",
        "directory" => "目录",
        "disk" => "磁盘",
        "environ" => "环境变量",
        "executable" => "可执行文件",
        "fds" => "打开的文件",
        "file" => "文件",
        "file_system" => "文件系统",
        "gpu" => "GPU",
        "gpu_holder" => "GPU 占用进程",
        "groups" => "用户组",
        "huge_pages" => "大页",
        "indicator" => "特征",
        "inodes" => "inode",
        "kernel" => "内核",
        "keys" => "密钥",
        "line" => "行",
        "link" => "链接",
        "load" => "系统负载",
        "logins" => "登录记录",
        "maps" => "内存映射",
        "mounts" => "挂载点",
        "net_namespace" => "网络命名空间",
        "packages" => "软件包数据库",
        "path" => "路径",
        "preload" => "预加载",
        "process" => "进程",
        "processes" => "进程列表",
        "program" => "程序",
        "question" => "提问",
        "remote" => "远端",
        "round" => "轮次",
        "routes" => "路由",
        "sample" => "样本",
        "script" => "脚本",
        "sensor" => "传感器",
        "socket" => "套接字",
        "sshd_config" => "sshd 配置",
        "starters" => "启动项",
        "step" => "步骤",
        "taint" => "内核污染标记",
        "temperature" => "温度",
        "times" => "时间",
        "totals" => "总量",
        "units" => "服务单元",
        "verdicts" => "判定",
        "watch" => "观察",
        "word" => "词",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes() {
        let rows = [
            (0, "0 秒"),
            (90, "90 毫秒"),
            (1_900, "1.9 秒"),
            (59_999, "59.9 秒"),
            (600_000, "10 分钟"),
            (400_000, "6 分 40 秒"),
            (86_400_000, "24 小时"),
            (3_901_000, "1 小时 05 分 01 秒"),
        ];
        for (ms, expected) in rows {
            assert_eq!(Chinese.span(ms), expected, "{ms}");
        }
        assert_eq!(Chinese.size(1023), "1,023 字节");
        assert_eq!(Chinese.size(6_920_602), "6.6 MiB");
    }

    #[test]
    fn words_in_a_row() {
        assert_eq!(Chinese.and(&["甲", "乙"].map(str::to_owned)), "甲、乙");
        assert_eq!(Chinese.lines_of(&[3, 4], "/etc/crontab"), "/etc/crontab 第 3、4 行");
        assert_eq!(Chinese.flags(true, false, 0), "不可修改");
    }
}
