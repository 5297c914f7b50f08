//! Chinese words of the page on which a plan is reviewed.

use super::super::review::{ReviewWord, ReviewWords};
use super::Chinese;

impl ReviewWords for Chinese {
    fn review(&self, word: ReviewWord) -> &'static str {
        match word {
            ReviewWord::Title => "待审核的计划",
            ReviewWord::NoScript => {
                "本页依靠自身内含的脚本工作，不使用其他脚本。请允许此文件运行脚本，或用 `deminer show` 阅读计划。"
            }
            ReviewWord::Intro => {
                "本页的任何内容都不会外传。取消勾选不批准的内容并说明原因；下载的文件只写明批准了什么，需要签名。"
            }
            ReviewWord::Made => "制定于",
            ReviewWord::GoodUntil => "有效期至",
            ReviewWord::EnvironmentText => "环境文件原文（保存在计划中）",
            ReviewWord::File => "文件",
            ReviewWord::Version => "Deminer",
            ReviewWord::Filter => "筛选：主机、路径、进程、原因",
            ReviewWord::OnlyChanges => "只看会被改动的主机",
            ReviewWord::TickAll => "全部批准",
            ReviewWord::TickNone => "全部不批准",
            ReviewWord::ApproveHosts => "批准的主机：",
            ReviewWord::WhyHostLeft => "为何排除这些主机",
            ReviewWord::WhyLeftOut => "为何排除此项",
            ReviewWord::NeedsIt => "一并排除：它依赖 {action}",
            ReviewWord::ManyTargets => "组件 {component} 的目标很多：我已逐一核对",
            ReviewWord::ManyUnread => "组件 {component} 需要单独批准。",
            ReviewWord::BringsBack => "留下的会让已清除的复活：{objects}。请整个组件一并排除，或一项也不排除。",
            ReviewWord::Details => "全部标识与前提条件",
            ReviewWord::Summary => "批准 {hosts} 台主机上的 {actions} 项改动；排除 {left} 项。",
            ReviewWord::NoHost => "没有批准任何主机。",
            ReviewWord::Expired => "计划已过期，必须重新制定。",
            ReviewWord::NoName => "由谁批准？",
            ReviewWord::Name => "您的名字，与允许的签名者名单一致",
            ReviewWord::HostReason => "请说明为何排除 {host} 所在组的主机。",
            ReviewWord::ActionReason => "请说明为何排除 {action}。",
            ReviewWord::ClassAll => "取证、遏制并清除",
            ReviewWord::ClassContain => "仅遏制",
            ReviewWord::ClassPreserve => "仅取证",
            ReviewWord::Download => "下载批准文件",
            ReviewWord::Reject => "驳回：下载理由",
            ReviewWord::Rejected => "计划 {plan} 未获批准。",
            ReviewWord::SignWith => "然后签名：",
            ReviewWord::NothingFound => "没有符合筛选条件的主机",
            ReviewWord::Destroys => "清除",
            ReviewWord::Contains => "遏制",
            ReviewWord::Preserves => "取证",
        }
    }

    fn page_is_written(&self, file: &str) -> String {
        format!("{file}：用浏览器打开；其中内容不会外传")
    }
}
