//! Chinese words of one action.

use deminer_worker::action::{FileTarget, LinkTarget};

use super::super::show::{Condition, ProcessIdentity, ShowWords, WayBack};
use super::super::{Noun, Things};
use super::Chinese;

impl ShowWords for Chinese {
    fn listed_of(&self, host: &str, equal: &str) -> String {
        format!("{equal} 的动作以 {host} 为例列出；加 --host NAME 可列出其他主机的动作。")
    }

    fn action(&self, id: &str, kind: &'static str, way_back: &str, component: u32, plan: &str) -> String {
        format!("{id} {}，{way_back}；组件 {component}，计划 {plan}", self.kind(kind))
    }

    fn lines_of_all(&self, numbers: &[u32], all: u32) -> String {
        format!("{}，共 {all} 行", self.lines(numbers))
    }

    fn withheld(&self) -> &'static str {
        "（不显示：可能含有机密）"
    }

    fn nothing_around(&self) -> &'static str {
        "不显示其前后各行：无法再次读取，或其中存放口令"
    }

    fn points(&self, points: i32) -> String {
        format!("{points:+} 分")
    }

    fn source(&self, source: &str, sha256: Option<&str>) -> String {
        match sha256 {
            Some(sha256) => format!("{source}，sha256 {sha256}"),
            None => source.to_owned(),
        }
    }

    fn process_identity(&self, identity: &ProcessIdentity<'_>) -> String {
        let ProcessIdentity {
            process, name, boot, ..
        } = identity;
        let parent = identity.parent.map(|parent| format!("，父进程 {parent}"));
        format!(
            "{}，{}，在引导 {boot} 之后第 {} 个时钟滴答启动，uid {}{}；运行 {}{}，设备 {} inode {}，{}，sha256 {}；参数 \
             sha256 {}",
            self.process(process.pid, name),
            self.role(process.role),
            process.start_ticks,
            process.uid,
            parent.unwrap_or_default(),
            process.exe_path,
            if identity.deleted { "（已删除）" } else { "" },
            process.exe.dev,
            process.exe.inode,
            self.size(process.exe_size.0),
            process.exe_sha256.short(),
            process.argv_sha256.short(),
        )
    }

    fn file_identity(&self, file: &FileTarget, flags: Option<&str>, changed: &str) -> String {
        let links = match file.links {
            1 => String::new(),
            links => format!("，{}", self.count(u64::from(links), Noun::Name)),
        };
        format!(
            "{}，位于挂载点 {} 之下，设备 {} inode {}，{}，权限 {:04o}，uid {} gid {}{links}{}，内容修改于 {changed}，sha256 {}",
            file.path,
            file.mount,
            file.id.dev,
            file.id.inode,
            self.size(file.size.0),
            file.mode,
            file.uid,
            file.gid,
            flags.map(|flags| format!("，{flags}")).unwrap_or_default(),
            file.sha256.short(),
        )
    }

    fn link_identity(&self, shown: &str, link: &LinkTarget) -> String {
        format!(
            "{shown}，位于挂载点 {} 之下，设备 {} inode {}，uid {} gid {}",
            link.mount, link.id.dev, link.id.inode, link.uid, link.gid
        )
    }

    fn account_identity(&self, account: &str, line_sha256: &str) -> String {
        format!("账户 {account}，其 /etc/passwd 行 sha256 {line_sha256}")
    }

    fn command_identity(&self, command: &str, timeout_ms: u64, program: &str) -> String {
        format!("{command}；{}后强制结束；程序为 {program}", self.span(timeout_ms))
    }

    fn only_if(&self, condition: Condition) -> &'static str {
        match condition {
            Condition::Process => "引导、进程号、启动时间与可执行文件均与此相符，且在主机上不受保护；已消失则视为完成",
            Condition::File => {
                "第一个动作之前，设备、inode、大小与 sha256 均与此相符，且在主机上不受保护；已消失则视为完成"
            }
            Condition::Lines => "这些行仍逐字节相同；其余字节一律不动，属主、权限与标志也不变",
            Condition::Sudoers => "删除这些行之后的内容仍符合 sudoers(5) 语法",
            Condition::Object => "所读内容与此标识相符",
            Condition::Link => "仍是此链接（按 inode），且指向不变；它所指向的内容不动；已消失则视为完成",
            Condition::UnitsGone => "这些单元的文件均已删除；不会停止、启动或重启任何服务",
            Condition::Account => "它在 /etc/passwd 中的行与此相符",
            Condition::Network => "不切断我们自己的会话，不触碰其他任何表；按内核时钟自动解除",
            Condition::Program => "该程序内容与此相符；不经过任何 shell",
        }
    }

    fn done_before(&self, actions: &[String]) -> String {
        format!("须先完成：{}", actions.join("；"))
    }

    fn taken_back(&self, way: WayBack) -> String {
        match way {
            WayBack::Copy => "无须撤销：留存副本不改动任何东西".to_owned(),
            WayBack::Thaw => "立即：进程恢复运行".to_owned(),
            WayBack::None => "不可撤销：已终止的进程不会恢复；它运行的内容已存入证据库".to_owned(),
            WayBack::File(bytes) => format!(
                "从证据库恢复：写回 {}，不启动任何东西；属主、权限、时间与标志恢复原样",
                self.size(bytes)
            ),
            WayBack::Lines(lines) => format!("从证据库恢复：把 {lines} 行放回原处，不启动任何东西"),
            WayBack::Flags => "立即：重新设置这些标志".to_owned(),
            WayBack::Reload => "无须撤销：只是重新读取现有内容".to_owned(),
            WayBack::Starter(bytes) => format!(
                "从证据库恢复：把 {} 写回原处旁边不会被读取的位置；不启动任何东西",
                self.size(bytes)
            ),
            WayBack::Link => "立即：在原处旁边不会被读取的位置重建链接".to_owned(),
            WayBack::Account => "立即：恢复原来的口令与有效期".to_owned(),
            WayBack::Network => "立即：删除我们的条目；最后一条删除后，我们的表一并删除".to_owned(),
            WayBack::Scheduling => "立即：恢复原来的调度".to_owned(),
            WayBack::Command(Some(command)) => format!("以命令撤销：执行 {command}"),
            WayBack::Command(None) => "不可撤销：计划中没有撤销它的命令".to_owned(),
        }
    }

    fn leave_out(&self, id: &str) -> String {
        format!("为 `deminer apply` 加上 --exclude {id}")
    }
}
