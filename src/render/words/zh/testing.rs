//! Chinese words of the tests of playbooks, and of recordings.

use super::super::testing::{CaseEnd, TestWords};
use super::super::things::Things;
use super::Chinese;
use crate::commands::test::{Aspect, Branch, Side};

impl TestWords for Chinese {
    fn case_end(&self, end: CaseEnd) -> &'static str {
        match end {
            CaseEnd::Right => "通过",
            CaseEnd::New => "新增",
            CaseEnd::Differs => "差异",
            CaseEnd::Wrong => "不符",
        }
    }

    fn seconds(&self, seconds: &str) -> String {
        format!("{seconds} 秒")
    }

    fn snapshot_written(&self, file: &str) -> String {
        format!("已写入：{file}")
    }

    fn cases(&self, all: usize, wrong: usize, took: &str) -> String {
        let right = all - wrong;
        match wrong {
            0 => format!("用例 {all} 个：通过 {right} 个；用时 {took}"),
            wrong => format!("用例 {all} 个：通过 {right} 个，不符 {wrong} 个；用时 {took}"),
        }
    }

    fn covered(&self, playbook: &str, [steps, of_steps]: [usize; 2], [branches, of_branches]: [usize; 2]) -> String {
        format!("{playbook}：步骤 {steps}/{of_steps}，分支 {branches}/{of_branches}")
    }

    fn branch(&self, step: &str, branch: Branch) -> String {
        let way = match branch {
            Branch::Stops => "停止",
            Branch::GoesOn => "不停止",
            Branch::Holds => "条件成立",
            Branch::HoldsNot => "条件不成立",
            Branch::FailsAndGoesOn => "失败后继续",
        };
        format!("{step}：{way}")
    }

    fn accepts(&self) -> &'static str {
        "接受本次输出；也可用 `cargo insta review` 逐个接受"
    }

    fn not_recorded(&self, host: &str, query: &str) -> String {
        format!("向主机 `{host}` 查询了未录制的内容：{query}；请重新录制：`deminer record`")
    }

    fn no_plan_of(&self, host: &str, why: &str) -> String {
        format!("主机 `{host}` 没有计划：{why}")
    }

    fn no_snapshot(&self, shot: &str, file: &str) -> String {
        format!("{shot}：尚无快照 {file}")
    }

    fn aspect(&self, aspect: &Aspect) -> String {
        match aspect {
            Aspect::Verdict(host) => format!("{host} 的判定"),
            Aspect::Status(host) => format!("{host} 的状态"),
            Aspect::Actions(kind) => format!("{kind} 类动作的数量"),
            Aspect::Finding(signal) => format!("发现 {signal}"),
            Aspect::Below(path) => format!("对 {path} 及其下内容的动作"),
            Aspect::Stopped(host) => format!("{host} 停止的原因"),
            Aspect::Refused => "被拒绝".to_owned(),
        }
    }

    fn side(&self, side: &Side) -> String {
        match side {
            Side::Word(word) => word.clone(),
            Side::None | Side::Nothing => "无".to_owned(),
            Side::Yes => "有".to_owned(),
            Side::No => "没有".to_owned(),
            Side::Acts(acts) => {
                let acts: Vec<String> = acts.iter().map(|(kind, path)| self.act(kind, path)).collect();
                self.list(&acts)
            }
            Side::Through => "执行到底，未停止".to_owned(),
            Side::Failed { place, why } => format!("失败：{place}：{why}"),
            Side::NotRefused => "未被拒绝".to_owned(),
        }
    }

    fn recorded(&self, folder: &str, host: &str, answers: u64, kib: u64) -> String {
        format!("{folder}：{host} 的应答 {answers} 个，{kib} KiB")
    }

    fn came_to(&self, judged: &str, actions: u64) -> String {
        format!("{judged}，{actions} 个动作")
    }

    fn pseudonyms(&self, names: u64) -> String {
        format!("已将 {names} 个名称、地址和密钥换成化名；已用录制内容重新查看，结果相同。")
    }

    fn read_before_passing_on(&self) -> &'static str {
        "交给他人之前请先通读：自由文本中可能有程序无法识别的内容。"
    }

    fn recorded_raw(&self) -> &'static str {
        "未作任何替换：其中有主机的名称、地址和密钥。"
    }
}
