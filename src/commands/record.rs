//! `deminer record`: looks at a host with a playbook, up to the plan, and keeps every answer, so that `deminer test` can ask
//! again. Names, addresses and keys become pseudonyms unless `--raw`; then it is proved that the answers still say the same.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use deminer_engine::host::recorded::{Recorded, Recorder, Redacted, redact};
use deminer_engine::host::{HostView, Link, Transport};
use deminer_worker::query::{HostError, Obstacle};

use super::hosts::Ways;
use super::place::Place;
use super::plan::{Made, make, say_not_planned, write_new};
use super::{Desk, Trouble, playbook, walk};
use crate::cli::{Format, Record};
use crate::exit::Exit;
use crate::render::plain::{cut, plain};
use crate::render::record::{self as render, Recording, Shape};
use crate::render::words::Lang;

/// Answers of more bytes than this make no recording that a person reads.
const MOST_BYTES: u64 = 64 << 20;

/// Columns of a question in a message.
const QUESTION_COLUMNS: usize = 160;

/// A way on which every answer is kept.
struct Kept {
    way: Arc<dyn Transport>,
    folder: PathBuf,
}

#[async_trait]
impl Transport for Kept {
    async fn connect(&self, _name: &str) -> Result<Arc<Link>, HostError> {
        Err(HostError::NotReached {
            obstacle: Obstacle::OurSide,
            why: "a host that is recorded is only looked at".to_owned(),
            hint: None,
        })
    }

    async fn view(&self, name: &str) -> Result<Arc<dyn HostView>, HostError> {
        let view = self.way.view(name).await?;
        let recorder = Recorder::new(view, &self.folder, MOST_BYTES).map_err(|error| HostError::Failed {
            doing: format!("make {}", self.folder.display()),
            why: error.to_string(),
        })?;
        Ok(Arc::new(recorder))
    }
}

/// Records a host.
///
/// # Errors
/// When there is a recording already, the host cannot be looked at, or the answers with pseudonyms do not say the same.
pub(crate) async fn run(mut desk: Desk, arguments: &Record) -> anyhow::Result<Exit> {
    let folder = &arguments.output;
    if folder.join("answers").exists() {
        let what = format!("{} holds a recording already", folder.display());
        let hint = Some("name another folder, or remove its `answers`".to_owned());
        return Err(Trouble::new(Exit::Usage, what, hint).into());
    }
    let place = Place::new().context("no directory for a look")?;
    desk.runs = place.path().to_owned();
    let order = walk::order(&arguments.going.walking, None)?;
    let meant = super::fleet::meant(&arguments.looking.fleet, &arguments.going.reach)?.hosts;
    let [host] = &meant[..] else {
        let what = format!("{} hosts are named: one is recorded at a time", meant.len());
        return Err(Trouble::new(Exit::Usage, what, None).into());
    };
    let name = host.name.to_string();
    if let Ok(reach) = &host.reach {
        desk.ways.learn([(name.clone(), reach.clone())]);
    }
    let way = desk.ways.to(&name)?;
    let kept: Arc<dyn Transport> = Arc::new(Kept {
        way,
        folder: folder.clone(),
    });
    desk.ways = Ways::staged(HashMap::from([(name.clone(), kept)]));
    let mut looks = Vec::new();
    let mut public = Vec::new();
    for playbook in &arguments.playbook {
        let found = playbook::find(playbook)?;
        let checked = playbook::checked(&desk, &found).map_err(|mistakes| playbook::mistaken(&mistakes))?;
        public.push(checked.text().to_owned());
        public.extend(checked.resources().iter().map(|resource| resource.text.to_string()));
        let made = make(&desk, playbook, &arguments.looking, &arguments.going.reach, &order).await?;
        let Some(shape) = shape(&made) else {
            say_not_planned(&desk, &made);
            return Ok(Exit::Again);
        };
        looks.push(shape);
    }
    let redacted = match arguments.raw {
        true => None,
        false => {
            let public: Vec<&str> = public.iter().map(String::as_str).collect();
            let stay: BTreeSet<String> = arguments.keep.iter().cloned().collect();
            let redacted = redact(folder, &public, &stay)
                .with_context(|| format!("{}: the answers could not be given pseudonyms", folder.display()))?;
            again(&mut desk, arguments, &name, &looks).await?;
            Some(redacted)
        }
    };
    if let (Some(file), Some(redacted)) = (&arguments.keep_names, &redacted) {
        let table = serde_json::to_vec_pretty(&redacted.names)?;
        write_new(file, &table).with_context(|| format!("cannot write {}", file.display()))?;
    }
    say(&desk, arguments, &name, &looks, redacted.as_ref())?;
    Ok(Exit::Done)
}

fn shape(made: &Made) -> Option<Shape> {
    made.plan
        .hosts()
        .next()
        .filter(|_| made.not_planned.is_empty())
        .map(Shape::of)
}

/// Asks the recording, and refuses one that says something else than the host did.
async fn again(desk: &mut Desk, arguments: &Record, name: &str, looks: &[Shape]) -> anyhow::Result<()> {
    let recorded = Arc::new(Recorded::open(name, &arguments.output));
    let staged = Arc::clone(&recorded) as Arc<dyn Transport>;
    desk.ways = Ways::staged(HashMap::from([(name.to_owned(), staged)]));
    let order = walk::order(&arguments.going.walking, None)?;
    for (playbook, look) in arguments.playbook.iter().zip(looks) {
        let made = make(desk, playbook, &arguments.looking, &arguments.going.reach, &order).await?;
        let now = shape(&made);
        let missed = recorded.missed().len();
        if now.as_ref() != Some(look) || missed > 0 {
            let words = Lang::En.words();
            let came = now.map_or_else(|| "no plan".to_owned(), |now| now.text(words));
            let what = format!(
                "{}: with pseudonyms `{playbook}` comes to {came} instead of {}, {missed} questions without an answer",
                arguments.output.display(),
                look.text(words)
            );
            let first = recorded.missed().first().map(|query| plain(query).into_owned());
            let what = match first {
                Some(first) => format!("{what}, first {}", cut(&first, QUESTION_COLUMNS)),
                None => what,
            };
            // Nobody is to take it for one.
            std::fs::remove_dir_all(arguments.output.join("answers"))?;
            let hint = "try again, since a host changes while it is looked at; else let the word stay that the playbook needs, \
                        with --keep WORD, or record with --raw"
                .to_owned();
            return Err(Trouble::new(Exit::Look, what, Some(hint)).into());
        }
    }
    Ok(())
}

fn say(
    desk: &Desk,
    arguments: &Record,
    name: &str,
    looks: &[Shape],
    redacted: Option<&Redacted>,
) -> anyhow::Result<()> {
    let looks = arguments.playbook.iter().map(String::as_str).zip(looks);
    let recording = Recording {
        folder: &arguments.output.to_string_lossy(),
        host: name,
        size: size(&arguments.output.join("answers"))?,
        looks: looks.collect(),
        pseudonyms: redacted.map(|redacted| redacted.names.len()),
    };
    match arguments.format {
        Format::Json => desk.screen.json(&render::json(&recording)),
        Format::Text | Format::Markdown => desk.screen.say(&render::text(&recording, desk.screen.style())),
    }
    Ok(())
}

fn size(answers: &Path) -> std::io::Result<(u64, u64)> {
    let mut size = (0, 0);
    for entry in std::fs::read_dir(answers)? {
        size = (size.0 + 1, size.1 + entry?.metadata()?.len());
    }
    Ok(size)
}
