//! Approvals: what one says, what a plan needs, and who signed.

use std::path::Path;

use deminer_engine::approval::{NAMESPACE, Requirement, beside};
use deminer_engine::report::Report;
use deminer_worker::action::Effect;
use deminer_worker::order::Approval;
use deminer_worker::text::Digest;
use serde_json::{Value, json};

use super::Style;
use super::names;
use super::paste::Paste;
use super::plain::{plain, shell_word};
use super::style::padded;
use super::unit::time;
use super::words::{Approved, Label, Words};

/// The column of what is said.
const COLUMN: usize = 12;

/// An approval that was just written.
pub(crate) struct Made<'a> {
    pub(crate) approval: &'a Approval,
    /// How many actions are approved, and how many of the same hosts are left out.
    pub(crate) actions: (u64, u64),
    /// The command that carries it out, up to the approval: `deminer apply miner.plan`.
    pub(crate) carried_out_by: String,
    /// The approval's file.
    pub(crate) file: &'a str,
    /// What is in it.
    pub(crate) bytes: &'a [u8],
    /// The key that it is signed with; `None` where it is not yet.
    pub(crate) signed: Option<&'a Path>,
    /// What is needed.
    pub(crate) needs: Requirement,
    pub(crate) paste: Paste<'a>,
}

impl Made<'_> {
    fn effects(&self) -> Vec<&'static str> {
        let name = |effect: &Effect| match effect {
            Effect::Preserve => "preserve",
            Effect::Contain => "contain",
            Effect::Destroy => "destroy",
            // No action has them.
            Effect::Read | Effect::Judge => "",
        };
        self.approval.classes.iter().map(name).collect()
    }

    fn hosts(&self) -> Vec<&str> {
        self.approval.hosts.keys().map(String::as_str).collect()
    }

    /// What comes next: to sign it, or to carry it out.
    fn next(&self) -> String {
        let file = shell_word(&plain(self.file));
        match self.signed {
            Some(_) => {
                let others = if self.needs.needed.most() > 1 { " FILE..." } else { "" };
                self.paste
                    .command(&format!("{} --approval {file}{others}", self.carried_out_by))
            }
            None => format!("ssh-keygen -Y sign -n {NAMESPACE} -f KEY {file}"),
        }
    }
}

/// For people.
pub(crate) fn text(made: &Made<'_>, style: &Style) -> String {
    let words = style.words();
    let approval = made.approval;
    let hosts: Vec<_> = made.hosts().into_iter().map(plain).collect();
    let names = words.commas(&names::brief(hosts.iter().map(|name| &**name)));
    let approves = words.approves(&Approved {
        effects: &made.effects(),
        actions: made.actions,
        hosts: (hosts.len() as u64, &names),
    });
    let signature = match made.signed {
        Some(key) => {
            let file = beside(Path::new(made.file));
            words.signed_with(&plain(&file.to_string_lossy()), &plain(&key.to_string_lossy()))
        }
        None => words.not_signed_yet().to_owned(),
    };
    let sha256 = format!("sha256 {}", Digest::of(made.bytes));
    let lead = |label| padded(words.label(label), COLUMN);
    let mut out = String::new();
    for (label, said) in [
        (Label::Hash, approval.plan.short()),
        (Label::Approves, approves),
        (Label::GoodUntil, time(approval.not_after_ms.0)),
        (Label::Approval, words.commas(&[plain(made.file).into_owned(), sha256])),
        (Label::Signature, signature),
        (Label::Needs, needs(&made.needs, words)),
    ] {
        out.push_str(&style.hang(&lead(label), &said));
    }
    // Never wrapped: it is to be pasted.
    out.push_str(&format!("{}{}\n", lead(Label::Next), made.next()));
    out
}

/// For programs.
pub(crate) fn json(made: &Made<'_>) -> Value {
    let approval = made.approval;
    let signature = made
        .signed
        .map(|_| beside(Path::new(made.file)).to_string_lossy().into_owned());
    json!({
        "file": made.file,
        "sha256": Digest::of(made.bytes),
        "signature": signature,
        "namespace": NAMESPACE,
        "plan": approval.plan,
        "hosts": made.hosts(),
        "effects": made.effects(),
        "actions": made.actions.0,
        "left_out": made.actions.1,
        "good_until": time(approval.not_after_ms.0),
        "needs": made.needs,
    })
}

/// What a plan needs before it is applied.
pub(crate) fn needs(needs: &Requirement, words: &dyn Words) -> String {
    let list = needs.signers.map(|digest| digest.short());
    words.needs(needs.needed, needs.unsigned, list.as_deref())
}

/// Who signed what a report is of, a line each.
pub(super) fn signatures(report: &Report, words: &dyn Words) -> Vec<String> {
    let signed = report.approval.iter().flat_map(|approval| &approval.signed);
    signed
        .map(|by| words.signed_by(&plain(&by.signer), &plain(&by.key), &time(by.at_ms.0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use deminer_engine::approval::{Needed, SignedBy};
    use deminer_worker::text::Wide;

    use super::*;
    use crate::render::report;
    use crate::render::sample::Night;
    use crate::render::words::Lang;

    #[test]
    fn what_is_needed() {
        let list = Digest::of(b"a list");
        let by_effect: Needed = serde_json::from_str(r#"{"destroy": 2}"#).expect("it is written so");
        let rows = [
            (
                by_effect,
                false,
                None,
                "signed approvals of different people: 1 to keep, 1 to contain, 2 to destroy",
            ),
            (Needed::all(1), true, None, "one yes, signed or not"),
            (Needed::all(1), false, None, "1 signed approval"),
            (Needed::all(2), false, None, "2 signed approvals of different people"),
            (
                Needed::all(2),
                false,
                Some(list),
                "2 signed approvals of different people, by the list 34d4e6513a0aa377",
            ),
        ];
        for (needed, unsigned, signers, expected) in rows {
            let stated = Requirement {
                needed,
                unsigned,
                signers,
            };
            assert_eq!(needs(&stated, Lang::En.words()), expected);
            let chinese = needs(&stated, Lang::Zh.words());
            assert_eq!(chinese.contains("名单"), signers.is_some(), "{chinese}");
        }
    }

    #[test]
    fn who_signed_stands_in_the_report() {
        let mut told = Night::good().report();
        let approval = told.approval.as_mut().expect("an approval");
        approval.means = "signature".to_owned();
        approval.signed = ["ada@example.org", "bo\u{1b}[2J"]
            .map(|signer| SignedBy {
                signer: signer.to_owned(),
                key: "SHA256:hFkxYqoeNKR5g5RdNCM4G0VYdr8rWmnYdI".to_owned(),
                at_ms: Wide(1_794_624_000_000),
                sha256: Digest::of(b"an approval"),
                signature: Digest::of(b"a signature"),
            })
            .into();
        for (style, signature, signed) in [
            (
                &Style::PLAIN,
                "(signature)",
                "signed by `ada@example.org` with SHA256:hFkx",
            ),
            (&Style::CHINESE, "（签名）", "由 `ada@example.org` 用 SHA256:hFkx"),
        ] {
            for text in [
                report::text(&told, style, &Paste::default()),
                report::markdown(&told, style.lang, &Paste::default()).replace('\\', ""),
            ] {
                assert!(text.contains(signature), "{text}");
                assert!(text.contains(signed), "{text}");
                assert!(!text.contains(['\u{1b}']) && text.contains("bo"), "{text}");
                assert!(!text.contains("unsigned") && !text.contains("未签名"), "{text}");
            }
        }
    }
}
