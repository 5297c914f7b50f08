//! Chinese words of what can be taken back.

use deminer_engine::undo::NoWay;

use super::super::undo::{GivesBack, UndoWords};
use super::Chinese;

impl UndoWords for Chinese {
    fn can_be_taken_back(&self, changes: u64, programs: u64, run: &str) -> String {
        let started = match programs {
            0 => "撤销也不会启动任何东西".to_owned(),
            programs => format!("撤销会执行 {programs} 个程序，此外不启动任何东西"),
        };
        format!("运行 {run} 的 {changes} 项改动可以撤销。未改动任何东西；{started}。")
    }

    fn gives_back(&self, what: GivesBack) -> &'static str {
        match what {
            GivesBack::Nothing => "无",
            GivesBack::Running => "恢复运行",
            GivesBack::File { armed: true } | GivesBack::Starter { armed: true } => "文件",
            GivesBack::File { armed: false } => "文件，不可执行",
            GivesBack::Starter { armed: false } => "文件，停用",
            GivesBack::Lines { armed: true } => "行",
            GivesBack::Lines { armed: false } => "行，作为注释",
            GivesBack::Link { armed: true } => "链接",
            GivesBack::Link { armed: false } => "链接，停用",
            GivesBack::Flags => "标志",
            GivesBack::Login => "登录",
            GivesBack::Network => "网络",
            GivesBack::CpuTime => "CPU 时间",
            GivesBack::ByCommand => "以命令恢复",
        }
    }

    fn no_way(&self, why: NoWay) -> &'static str {
        match why {
            NoWay::None => "无法恢复；它运行或保存的内容在证据库中",
            NoWay::Unknown => "不知是否已执行：请查看主机",
            NoWay::DoesNotFit => "主机所述的恢复方式与计划不符：请从证据库手工恢复",
            NoWay::NotKept => "主机没有给出副本",
        }
    }

    fn armed(&self, because: &str) -> String {
        format!("能启动程序的内容将再次启动：{because}")
    }

    fn disarmed(&self) -> &'static str {
        "可能启动入侵者程序的内容恢复到不会被读取的位置：行作为注释，文件名为 `.NAME.disarmed`，程序去掉执行权限"
    }
}
