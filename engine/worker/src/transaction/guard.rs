//! Reading everything again that the plan would touch, now that its owners stand still.

use super::{Refusal, Transaction, refuse};
use crate::action::{AccountTarget, Act, Action, Done, FileTarget, LinkTarget, Object};
use crate::frame::{Outcome, RefusalKind, TransactionEvent as Event};
use crate::lines::{self, Located};
use crate::protect;
use crate::query::{Answer, Entry, HostError, Query, limits};
use crate::text::Digest;

impl Transaction<'_> {
    /// Reads everything again that the plan would touch, now that its owners stand still.
    pub(super) fn guard(&mut self) -> Result<(), Refusal> {
        let facts = self.facts().map_err(|error| refuse(RefusalKind::Host, error))?;
        let births = self.all_births();
        let acts: Vec<Act> = self.orders.actions().map(|action| action.act.clone()).collect();
        let mut condemned = protect::condemned_processes(&acts, &births, &facts.processes);
        condemned.extend(self.frozen.keys());
        for action in self.allowed(|act| act.effect() == crate::action::Effect::Destroy) {
            if self.drifted.contains_key(&action.component) {
                continue;
            }
            let over = self.orders.orders().overrides.get(&action.id);
            if let Some(why) = protect::protection_unless(over, &action.act, &condemned, &facts) {
                self.drift(
                    &action,
                    HostError::Protected {
                        doing: action.act.kind().to_owned(),
                        why,
                    },
                );
                continue;
            }
            let guarded = match &action.act {
                Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => self.guard_file(file),
                Act::RemoveLink { link } => self.guard_link(link),
                Act::ClearFlags { file, .. } => self.guard_place(file),
                Act::EditLines { file, remove, .. } => self.guard_lines(file, remove),
                Act::LockAccount { account } => self.guard_account(account),
                Act::RunArgv { program, .. } => self.guard_program(program),
                _ => continue,
            };
            match guarded {
                Ok(Guarded::AsPlanned) => {}
                Ok(Guarded::Gone) => self.gone(&action),
                Ok(Guarded::StandIn(stand_in)) => {
                    self.stand_ins.insert(action.id, *stand_in);
                }
                Err(why) => self.drift(&action, why),
            }
            self.in_time()?;
        }
        self.keep_stand_ins()
    }

    fn guard_file(&self, file: &FileTarget) -> Result<Guarded, HostError> {
        let Some(stat) = self.stat(file)? else {
            return Ok(Guarded::Gone);
        };
        if stat.sha256 != file.sha256 || stat.size != file.size {
            return Err(HostError::Changed {
                doing: format!("look again at {}", file.path),
                expected: format!("sha256 {}, {} bytes", file.sha256.short(), file.size),
                found: format!("sha256 {}, {} bytes", stat.sha256.short(), stat.size),
            });
        }
        Ok(if stat.id == file.id && self.kept.has(&file.sha256) {
            Guarded::AsPlanned
        } else {
            Guarded::stand_in(stat, None)
        })
    }

    /// A link is what it points to: another target, or another inode, is another link.
    fn guard_link(&self, link: &LinkTarget) -> Result<Guarded, HostError> {
        let doing = || format!("look again at {}", link.path);
        let query = Query::Stat {
            paths: vec![link.path.clone()],
            digest: false,
        };
        let Answer::Entries(entries) = self.platform.answer(&query)?.value else {
            return Err(HostError::Failed {
                doing: doing(),
                why: "another question was answered".to_owned(),
            });
        };
        match entries.into_iter().next() {
            Some(Entry::Present(stat)) if stat.link_target.as_ref() == Some(&link.target) && stat.id == link.id => {
                Ok(Guarded::AsPlanned)
            }
            Some(Entry::Present(stat)) => Err(HostError::Changed {
                doing: doing(),
                expected: format!("a link to `{}`, inode {}", link.target, link.id.inode),
                found: match &stat.link_target {
                    Some(target) => format!("a link to `{target}`, inode {}", stat.id.inode),
                    None => format!("{:?}", stat.kind).to_lowercase(),
                },
            }),
            Some(Entry::Absent { .. }) | None => Ok(Guarded::Gone),
            Some(Entry::Hidden { .. }) => Err(HostError::Denied { doing: doing() }),
        }
    }

    /// A program is its inode and its content; one that is gone leaves nothing done.
    fn guard_program(&self, program: &FileTarget) -> Result<Guarded, HostError> {
        let doing = || format!("look again at {}", program.path);
        let stat = self.stat(program)?.ok_or_else(|| HostError::Gone { doing: doing() })?;
        match stat.id == program.id && stat.sha256 == program.sha256 {
            true => Ok(Guarded::AsPlanned),
            false => Err(HostError::Changed {
                doing: doing(),
                expected: format!("sha256 {}, inode {}", program.sha256.short(), program.id.inode),
                found: format!("sha256 {}, inode {}", stat.sha256.short(), stat.id.inode),
            }),
        }
    }

    /// An account is its line of passwd; one whose name stands twice is not to be told from another.
    fn guard_account(&self, account: &AccountTarget) -> Result<Guarded, HostError> {
        let doing = || format!("look again at account `{}`", account.name);
        let observed = self.platform.answer(&Query::Accounts {})?;
        let Answer::Accounts(accounts) = observed.value else {
            return Err(HostError::Failed {
                doing: doing(),
                why: "another question was answered".to_owned(),
            });
        };
        let mut found = accounts.iter().filter(|found| found.name == account.name);
        let changed = |found: String| HostError::Changed {
            doing: doing(),
            expected: format!(
                "uid {}, a line with the digest {}",
                account.uid,
                account.line_sha256.short()
            ),
            found,
        };
        match (found.next(), found.next()) {
            (None, _) if accounts.is_empty() => Err(HostError::Denied { doing: doing() }),
            (None, _) => Ok(Guarded::Gone),
            (Some(_), Some(_)) => Err(changed("several accounts of that name".to_owned())),
            (Some(met), None) if met.uid == account.uid && met.line_sha256 == Some(account.line_sha256) => {
                Ok(Guarded::AsPlanned)
            }
            (Some(met), None) => Err(changed(format!("uid {}, another line", met.uid))),
        }
    }

    /// Of a file whose flags are cleared only that it is there: the act that needs it cleared guards its content.
    fn guard_place(&self, file: &FileTarget) -> Result<Guarded, HostError> {
        Ok(match self.stat(file)? {
            None => Guarded::Gone,
            Some(stat) if stat.id == file.id => Guarded::AsPlanned,
            Some(stat) => Guarded::stand_in(stat, None),
        })
    }

    fn guard_lines(&self, file: &FileTarget, remove: &[crate::action::LineTarget]) -> Result<Guarded, HostError> {
        let Some(stat) = self.stat(file)? else {
            return Ok(Guarded::Gone);
        };
        let read = self.platform.answer(&Query::Read {
            path: file.path.clone(),
            max_bytes: limits::READ_BYTES,
        })?;
        let doing = || format!("look again at the lines of {}", file.path);
        // What was not read may hold the line: only a file that is whole, or not there, can tell that it is gone.
        if read.coverage.material().next().is_some() {
            return Err(HostError::Denied { doing: doing() });
        }
        let Answer::Files(files) = read.value else {
            return Err(HostError::Failed {
                doing: doing(),
                why: "another question was answered".to_owned(),
            });
        };
        let Some(text) = files.into_iter().next() else {
            return Ok(Guarded::Gone);
        };
        if text.cut {
            return Err(HostError::TooLarge {
                doing: doing(),
                limit: u64::from(limits::READ_BYTES),
            });
        }
        match lines::locate(text.content.as_bytes(), remove) {
            Located::There(_) if stat.id == file.id && stat.sha256 == file.sha256 && self.kept.has(&file.sha256) => {
                Ok(Guarded::AsPlanned)
            }
            Located::There(_) => Ok(Guarded::stand_in(stat, Some(text.content.as_bytes().to_vec()))),
            Located::Gone => Ok(Guarded::Gone),
            Located::Changed { target, found } => {
                let now = lines::split(text.content.as_bytes())
                    .get(found)
                    .map_or(&b""[..], |line| lines::content(line));
                Err(HostError::Changed {
                    doing: format!("look again at line {} of {}", remove[target].number, file.path),
                    expected: format!("`{}`", bounded(&remove[target].line)),
                    found: format!("`{}`", bounded(&crate::text::HostBytes::new(now))),
                })
            }
        }
    }

    /// What stands at a file's path now; `None` where nothing does.
    fn stat(&self, file: &FileTarget) -> Result<Option<FileTarget>, HostError> {
        let doing = || format!("look again at {}", file.path);
        let query = Query::Stat {
            paths: vec![file.path.clone()],
            digest: true,
        };
        let Answer::Entries(entries) = self.platform.answer(&query)?.value else {
            return Err(HostError::Failed {
                doing: doing(),
                why: "another question was answered".to_owned(),
            });
        };
        match entries.into_iter().next() {
            Some(Entry::Present(stat)) => match FileTarget::from_stat(&stat) {
                Some(target) => Ok(Some(target)),
                None => Err(HostError::Changed {
                    doing: doing(),
                    expected: "a regular file that can be read".to_owned(),
                    found: format!("{:?}", stat.kind).to_lowercase(),
                }),
            },
            Some(Entry::Absent { .. }) | None => Ok(None),
            Some(Entry::Hidden { .. }) => Err(HostError::Denied { doing: doing() }),
        }
    }

    pub(super) fn drift(&mut self, action: &Action, why: HostError) {
        if self.drifted.insert(action.component, action.id).is_none() {
            self.controller.tell(Event::Drifted {
                component: action.component,
                action: action.id,
                why,
            });
        }
    }

    /// An action's target is not there any more: nothing to do, and nothing of it to keep.
    pub(super) fn gone(&mut self, action: &Action) {
        self.outcome(action.id, Outcome::Done { done: Done::Gone });
        let path = action.act.file().map(|file| &file.path);
        for keep in self.allowed(|act| {
            matches!(
                act,
                Act::Keep {
                    object: Object::File { .. }
                }
            )
        }) {
            if keep.act.file().map(|file| &file.path) == path && !self.settled.contains(&keep.id) {
                self.outcome(keep.id, Outcome::Done { done: Done::Gone });
            }
        }
    }
}

/// How a file of the plan is found again.
enum Guarded {
    /// As it was.
    AsPlanned,
    /// Not there any more: done with.
    Gone,
    /// Another file stands there and holds what was condemned.
    StandIn(Box<StandIn>),
}

/// What stands at the place of a planned file.
#[derive(Clone)]
pub(super) struct StandIn {
    pub(super) file: FileTarget,
    /// What it held when it was looked at, where only some of its lines are condemned.
    pub(super) text: Option<Vec<u8>>,
}

impl StandIn {
    /// The digest of what must be kept of it.
    pub(super) fn content(&self) -> Digest {
        self.text.as_deref().map_or(self.file.sha256, Digest::of)
    }
}

impl Guarded {
    fn stand_in(file: FileTarget, text: Option<Vec<u8>>) -> Guarded {
        Guarded::StandIn(Box::new(StandIn { file, text }))
    }
}

/// A line for a message, cut.
fn bounded(line: &crate::text::HostBytes) -> crate::text::HostBytes {
    crate::text::HostBytes::new(&line.as_bytes()[..line.len().min(200)])
}
