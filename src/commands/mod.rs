//! The verbs, one file each, and what they share.

mod apply;
mod approvals;
mod approve;
mod asked;
mod audit;
mod check;
mod completions;
mod demo;
mod earlier;
mod environment;
mod explain;
mod externals;
mod fleet;
mod hosts;
mod interchange;
mod inventory;
mod man;
mod modules;
mod new;
mod people;
mod place;
mod plan;
mod playbook;
mod progress;
mod quiet;
mod record;
mod report;
mod resume;
mod run;
mod runs;
mod schema;
mod secrets;
mod show;
pub(crate) mod test;
mod typing;
mod undo;
mod vars;
mod walk;
mod world;
mod yes;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use deminer_engine::asked::{Asked, Choice};
use deminer_engine::journal::Clock;
use deminer_engine::module::Registry;
use deminer_engine::policy::Policy;
use rustix::io::Errno;

use self::hosts::Ways;
use self::secrets::Drawer;
use self::typing::Typing;
use crate::cli::{AnswersFile, Going, Language, Leaves, PolicyFile, Reach, Runs, Striking, Telling, Verb};
use crate::exit::Exit;
use crate::render::paste::Paste;
use crate::render::screen::Screen;
use crate::render::words::Lang;

/// What every verb has at hand.
pub(crate) struct Desk {
    pub(crate) screen: Screen,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    /// Where runs, plans and evidence are kept.
    pub(crate) runs: PathBuf,
    /// How hosts are reached.
    pub(crate) ways: Ways,
    /// The places of secrets on this machine.
    pub(crate) drawer: Drawer,
    /// Names that nobody can guess: of a host, the how manieth.
    pub(crate) names: Names,
    /// Who sits here, as records name them.
    pub(crate) by: String,
    /// The event after which a test lets the controller die.
    pub(crate) dies_after: Option<String>,
    typing: Arc<Typing>,
    said: Said,
}

/// Gives names, by host and number.
pub(crate) type Names = Arc<dyn Fn(&str, u32) -> [u8; 16] + Send + Sync>;

/// What was said on the command line and holds for the next command too.
#[derive(Default)]
struct Said {
    runs: Option<PathBuf>,
    lang: Option<Lang>,
    policy: Option<PathBuf>,
    /// Whether what this machine has for all its commands does not count: its policy, its Ctrl-C.
    alone: bool,
    options: Vec<Choice>,
    /// The folder in which it was said; `None` where there is none any more.
    here: Option<PathBuf>,
}

/// A message for the operator that comes with its own exit code and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit: Exit,
    /// Whether `what` is a list of mistakes, each of which says itself that it is one.
    pub(crate) is_listed: bool,
}

impl Trouble {
    /// A failure with a hint.
    pub(crate) fn new(exit: Exit, what: impl ToString, hint: Option<String>) -> Trouble {
        Trouble {
            what: what.to_string(),
            hint,
            exit,
            is_listed: false,
        }
    }
}

/// Carries out a verb and says what went wrong, if anything did.
pub(crate) fn run(verb: Verb) -> Exit {
    let screen = Screen::new();
    let at = |telling: &Telling| desk(&screen, &telling.runs, telling.language);
    let over = |telling: &Telling, going: &Going, leaves: &Leaves, policy: &PolicyFile| -> anyhow::Result<Desk> {
        let desk = at(telling)?.under(leaves)?.governed(policy).reaching(&going.reach);
        Ok(desk.saying(asked::walking(&going.walking)))
    };
    let done = match verb {
        Verb::Check(arguments) => Desk::bare(screen.clone())
            .under(&arguments.leaves)
            .and_then(|desk| check::run(&desk, &arguments)),
        Verb::Vars(arguments) => {
            let lang = chosen(&screen, arguments.language);
            Desk::bare(screen.clone().in_language(lang))
                .under(&arguments.leaves)
                .and_then(|desk| vars::run(&desk, &arguments))
        }
        Verb::Explain(arguments) => {
            let lang = chosen(&screen, arguments.language);
            explain::run(&Desk::bare(screen.clone().in_language(lang)), &arguments)
        }
        Verb::Export(arguments) => Desk::bare(screen.clone())
            .under(&arguments.leaves)
            .and_then(|desk| interchange::export(&desk, &arguments)),
        Verb::Import(arguments) => interchange::import(&Desk::bare(screen.clone()), &arguments),
        Verb::Schema(arguments) => Ok(schema::run(&Desk::bare(screen.clone()), &arguments)),
        Verb::Modules(arguments) => Desk::bare(screen.clone())
            .under(&arguments.leaves)
            .and_then(|desk| modules::run(&desk, &arguments)),
        Verb::Record(it) => {
            let lang = chosen(&screen, it.language);
            let desk = Desk::bare(screen.clone().in_language(lang)).under(&it.looking.leaves);
            desk.and_then(|desk| {
                let desk = desk.governed(&it.looking.policy).reaching(&it.going.reach);
                asynchronous(record::run(desk, &it))
            })
        }
        Verb::Test(arguments) => {
            let lang = chosen(&screen, arguments.language);
            test::run(&Desk::bare(screen.clone().in_language(lang)), &arguments)
        }
        Verb::Inventory(arguments) => {
            let lang = chosen(&screen, arguments.language);
            inventory::run(&Desk::bare(screen.clone().in_language(lang)), &arguments)
        }
        Verb::Plan(it) => over(&it.telling, &it.going, &it.looking.leaves, &it.looking.policy)
            .and_then(|desk| asynchronous(plan::run(&desk.answering(&it.looking.given.answers), &it))),
        Verb::Show(it) => at(&it.telling).and_then(|desk| show::run(&desk, &it)),
        Verb::Run(it) => over(&it.telling, &it.going, &it.looking.leaves, &it.looking.policy).and_then(|desk| {
            asynchronous(run::run(
                &desk.striking(&it.striking).answering(&it.looking.given.answers),
                &it,
            ))
        }),
        Verb::Approve(it) => {
            at(&it.telling).and_then(|desk| asynchronous(approve::run(&desk.governed(&it.policy), &it)))
        }
        Verb::Apply(it) => over(&it.telling, &it.going, &it.leaves, &it.policy)
            .and_then(|desk| asynchronous(apply::run(&desk.striking(&it.striking).answering(&it.answers), &it))),
        Verb::Throttle(it) => over(&it.telling, &it.going, &it.looking.leaves, &it.looking.policy).and_then(|desk| {
            asynchronous(quiet::run(
                &desk.answering(&it.looking.given.answers),
                &quiet::THROTTLE,
                &it,
            ))
        }),
        Verb::Contain(it) => over(&it.telling, &it.going, &it.looking.leaves, &it.looking.policy).and_then(|desk| {
            asynchronous(quiet::run(
                &desk.answering(&it.looking.given.answers),
                &quiet::CONTAIN,
                &it,
            ))
        }),
        Verb::Undo(it) => over(&it.telling, &it.going, &it.leaves, &it.policy)
            .and_then(|desk| asynchronous(undo::run(&desk.striking(&it.striking), &it))),
        Verb::Resume(it) => {
            over(&it.again.telling, &it.again.going, &it.again.leaves, &it.again.policy).and_then(|desk| {
                asynchronous(resume::run(
                    &desk.striking(&it.again.striking).answering(&it.again.answers),
                    &it,
                ))
            })
        }
        Verb::Verify(it) => {
            over(&it.again.telling, &it.again.going, &it.again.leaves, &it.again.policy).and_then(|desk| {
                asynchronous(resume::verify(
                    &desk.striking(&it.again.striking).answering(&it.again.answers),
                    &it,
                ))
            })
        }
        Verb::Audit(it) => at(&it.telling).and_then(|desk| asynchronous(audit::run(&desk, &it))),
        Verb::Runs(it) => at(&it.telling).and_then(|desk| runs::run(&desk, &it)),
        Verb::Report(it) => at(&it.telling).and_then(|desk| asynchronous(report::run(&desk, &it))),
        Verb::Demo(it) => desk(&screen, &it.runs, it.language).and_then(|desk| demo::run(&desk, &it)),
        Verb::New(arguments) => new::run(&Desk::bare(screen.clone()), &arguments),
        Verb::Completions(arguments) => completions::run(&Desk::bare(screen.clone()), &arguments),
        Verb::Man(arguments) => man::run(&Desk::bare(screen.clone()), &arguments),
        Verb::Worker { .. } | Verb::Whole { .. } | Verb::Keeper => Ok(Exit::Usage),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => match error.downcast_ref::<Trouble>() {
            Some(trouble) => {
                match trouble.is_listed {
                    true => screen.mistakes(&trouble.what),
                    false => screen.error(&trouble.what, trouble.hint.as_deref()),
                }
                trouble.exit
            }
            None => {
                screen.error(&format!("{error:#}"), None);
                Exit::Failed
            }
        },
    }
}

fn asynchronous(verb: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.context("no threads to be had")?.block_on(verb)
}

fn desk(screen: &Screen, runs: &Runs, language: Language) -> anyhow::Result<Desk> {
    let directory = runs.directory.as_deref().map(std::path::absolute).transpose()?;
    let said = Said {
        runs: directory,
        lang: language.lang,
        here: std::env::current_dir().ok(),
        ..Said::default()
    };
    Ok(Desk {
        runs: match &said.runs {
            Some(directory) => directory.clone(),
            None => state_directory()?.join("deminer").join("runs"),
        },
        said,
        ..Desk::bare(screen.clone().in_language(chosen(screen, language)))
    })
}

/// The variable that chooses the language where the command line does not.
const LANG: &str = "DEMINER_LANG";

/// The language that was chosen. `LANG` is not asked: a report reads the same on every machine of a team.
fn chosen(screen: &Screen, language: Language) -> Lang {
    if let Some(lang) = language.lang {
        return lang;
    }
    let Some(code) = std::env::var_os(LANG).filter(|code| !code.is_empty()) else {
        return Lang::default();
    };
    let code = code.to_string_lossy();
    Lang::of_code(&code).unwrap_or_else(|| {
        screen.note(&format!(
            "{LANG}={code}: no such language; en and zh are known, en is used"
        ));
        Lang::default()
    })
}

/// `$XDG_STATE_HOME`, else `~/.local/state` (the XDG base directory specification).
fn state_directory() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .ok_or_else(|| {
            Trouble::new(
                Exit::Usage,
                "neither XDG_STATE_HOME nor HOME is set",
                Some("say where runs are kept with --runs DIR".to_owned()),
            )
            .into()
        })
}

impl Desk {
    fn bare(screen: Screen) -> Desk {
        Desk {
            screen,
            registry: deminer_modules::registry(),
            clock: Arc::new(now_ms),
            runs: PathBuf::new(),
            ways: Ways::default(),
            drawer: Drawer::default(),
            names: Arc::new(|_, _| random()),
            by: format!("uid {}", rustix::process::getuid().as_raw()),
            dies_after: None,
            typing: Arc::new(Typing::default()),
            said: Said::default(),
        }
    }

    /// The language of what people are told.
    pub(crate) fn lang(&self) -> Lang {
        self.screen.style().lang
    }

    /// How commands to paste are completed.
    pub(crate) fn paste(&self) -> Paste<'_> {
        Paste {
            runs: self.said.runs.as_deref(),
            lang: self.said.lang,
            options: &self.said.options,
            asked: None,
            here: self.said.here.as_deref(),
        }
    }

    /// The same, with what the operator allowed, and the modules that come from outside.
    ///
    /// # Errors
    /// When one of those is none.
    pub(crate) fn under(mut self, leaves: &Leaves) -> anyhow::Result<Desk> {
        self.registry = self.registry.under(Policy::allowing(leaves.allow.iter().copied()));
        self.said.options.extend(asked::leaves(leaves));
        self.registry = externals::added(self.registry, &leaves.modules)?;
        Ok(self)
    }

    /// The same, under the policy that was named.
    pub(crate) fn governed(mut self, policy: &PolicyFile) -> Desk {
        self.said.policy.clone_from(&policy.file);
        self.said.options.extend(asked::policy(policy));
        self
    }

    /// The same, by itself: nothing that this machine has for all its commands counts.
    pub(crate) fn alone(mut self, policy: Option<PathBuf>) -> Desk {
        self.said = Said {
            policy,
            alone: true,
            ..Said::default()
        };
        self
    }

    /// The same, with what was said of the way to hosts.
    pub(crate) fn reaching(mut self, reach: &Reach) -> Desk {
        self.ways = Ways::new(reach.clone());
        self.said.options.extend(asked::reach(reach));
        self
    }

    /// The same, with what was said of how hosts are struck.
    fn striking(self, striking: &Striking) -> Desk {
        self.saying(asked::striking(striking))
    }

    /// The same, with where answers stand.
    fn answering(self, answers: &AnswersFile) -> Desk {
        self.saying(asked::answers(answers))
    }

    /// The same, with more that was said and holds for the next command too.
    fn saying(mut self, options: impl IntoIterator<Item = Choice>) -> Desk {
        self.said.options.extend(options);
        self
    }

    /// How a run is asked for by this command, with what its plan was asked for; `None` where no command line asks.
    pub(crate) fn asks(&self, plan: Option<Asked>) -> Option<Asked> {
        let folder = self.said.here.as_deref()?.to_string_lossy();
        let plan = plan.unwrap_or_else(|| Asked {
            folder: folder.into_owned(),
            ..Asked::default()
        });
        Some(plan.going(&self.said.options))
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        (self.clock)()
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Random bytes of the kernel; of `/dev/urandom` where it has no getrandom(2) (before Linux 3.17).
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            // Sixteen bytes come at once; only a signal can cut them short.
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(_) => {
                let device = File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut bytes));
                device.expect("every Linux has /dev/urandom");
                return bytes;
            }
        }
    }
    bytes
}
