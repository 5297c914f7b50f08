//! Which family a sample is of, by a file of indicators: names, places, configurations, words.
//!
//! A guess, with what speaks for it. Every indicator can be forged, and most campaigns run the same public miner.

use deminer_engine::module::{Misread, Resource};
use deminer_worker::text::HostPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use crate::resource_text::{self, of_version_1};
use crate::saying::said;

/// The points below which nothing is guessed.
const ENOUGH: u32 = 2;

/// What kind of thing a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FamilyKind {
    /// A miner that anybody can have.
    Tool,
    /// A campaign that installs a miner.
    Campaign,
    /// A campaign that spreads by itself.
    Worm,
}

/// A family that a sample may be of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FamilyGuess {
    /// Its name in the file.
    pub family: String,
    /// Its name for people.
    pub title: String,
    /// What kind of thing it is.
    pub kind: FamilyKind,
    /// What is known of it, one sentence.
    pub about: String,
    /// The sum of what speaks for it.
    pub points: u32,
    /// What speaks for it, each with what was found. Escaped.
    pub because: Vec<Indication>,
    /// Where the rule stands: `rules/families.yml:12`.
    pub rule: String,
}

/// One thing that speaks for a family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Indication {
    /// `program`, `path`, `config`, `config_key`, `word`.
    pub what: &'static str,
    /// What was found. Escaped.
    pub found: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FamiliesText {
    version: Spanned<u32>,
    /// Names of configuration files that are looked for beside a miner and in its working directory.
    config_names: Vec<String>,
    /// The same, below the home of its user.
    home_configs: Vec<String>,
    families: Vec<Spanned<FamilyText>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyText {
    family: String,
    title: String,
    kind: FamilyKind,
    about: String,
    /// Exact names of executables and of processes, letter case aside.
    #[serde(default)]
    programs: Vec<String>,
    /// Paths: the object itself, or a directory with all below it; a bare name is any last component.
    #[serde(default)]
    paths: Vec<String>,
    /// Names of configuration files.
    #[serde(default)]
    configs: Vec<String>,
    /// Keys that stand in its configuration.
    #[serde(default)]
    config_keys: Vec<String>,
    /// Words in arguments and in lines that start something.
    #[serde(default)]
    words: Vec<String>,
    /// Where this is written; for people.
    #[serde(default)]
    #[expect(dead_code, reason = "a source is read in the file")]
    sources: Vec<String>,
}

/// The file, read.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) config_names: Vec<String>,
    pub(super) home_configs: Vec<String>,
    families: Vec<(FamilyText, String)>,
}

/// What was seen of a sample and around it.
#[derive(Debug, Default)]
pub(super) struct Traits {
    /// Last components of executables, and names of processes.
    pub(super) programs: Vec<Vec<u8>>,
    /// Executables, scripts, working directories, files beside them.
    pub(super) paths: Vec<HostPath>,
    /// Configuration files that were read.
    pub(super) configs: Vec<HostPath>,
    /// Keys that stood in them.
    pub(super) config_keys: Vec<String>,
    /// Arguments, and lines that start something.
    pub(super) texts: Vec<Vec<u8>>,
}

impl Families {
    /// Reads the file.
    ///
    /// # Errors
    /// With the place, when it is no YAML of this form.
    pub(super) fn read(resource: &Resource) -> Result<Families, Misread> {
        let path = &resource.path;
        let text: FamiliesText = resource_text::read(resource)?;
        of_version_1(resource, "families", &text.version)?;
        let families = text.families.into_iter();
        Ok(Families {
            config_names: text.config_names,
            home_configs: text.home_configs,
            families: families
                .map(|family| {
                    let place = format!("{path}:{}", family.referenced.line());
                    (family.value, place)
                })
                .collect(),
        })
    }

    /// The families that enough speaks for, most points first.
    pub(super) fn guess(&self, traits: &Traits) -> Vec<FamilyGuess> {
        let mut guesses: Vec<FamilyGuess> = self
            .families
            .iter()
            .map(|(family, place)| {
                let (points, because) = weigh(family, traits);
                FamilyGuess {
                    family: family.family.clone(),
                    title: family.title.clone(),
                    kind: family.kind,
                    about: family.about.clone(),
                    points,
                    because,
                    rule: place.clone(),
                }
            })
            .filter(|guess| guess.points >= ENOUGH)
            .collect();
        guesses.sort_by(|a, b| (std::cmp::Reverse(a.points), &a.family).cmp(&(std::cmp::Reverse(b.points), &b.family)));
        guesses
    }
}

fn weigh(family: &FamilyText, traits: &Traits) -> (u32, Vec<Indication>) {
    let mut found: Vec<Indication> = Vec::new();
    let mut note = |what: &'static str, bytes: &[u8]| {
        let indication = Indication {
            what,
            found: said(bytes),
        };
        if !found.contains(&indication) && found.len() < 32 {
            found.push(indication);
        }
    };
    let is = |entries: &[String], name: &[u8]| entries.iter().any(|entry| entry.as_bytes().eq_ignore_ascii_case(name));
    for name in traits.programs.iter().filter(|name| is(&family.programs, name)) {
        note("program", name);
    }
    for path in &traits.paths {
        let fits = |entry: &String| match entry.starts_with('/') {
            true => path.is_below(&HostPath::from(entry.as_str())),
            false => path.file_name() == entry.as_bytes(),
        };
        if family.paths.iter().any(fits) {
            note("path", path.as_bytes());
        }
    }
    for path in traits
        .configs
        .iter()
        .filter(|path| is(&family.configs, path.file_name()))
    {
        note("config", path.as_bytes());
    }
    let keys: Vec<&String> = traits
        .config_keys
        .iter()
        .filter(|key| family.config_keys.contains(key))
        .collect();
    for key in &keys {
        note("config_key", key.as_bytes());
    }
    for word in &family.words {
        let inside = |text: &Vec<u8>| text.windows(word.len().max(1)).any(|run| run == word.as_bytes());
        if traits.texts.iter().any(inside) {
            note("word", word.as_bytes());
        }
    }
    let count = |what: &str| u32::try_from(found.iter().filter(|one| one.what == what).count()).unwrap_or(u32::MAX);
    let some = |what: &str, points: u32| points * u32::from(count(what) > 0);
    // The more of a kind adds little; the name of a configuration alone is everybody's.
    let points = some("program", 3)
        + some("path", 3)
        + some("config", 1)
        + count("config_key").min(3)
        + some("word", 2)
        + u32::from(count("word") > 1)
        + u32::from(count("path") > 1);
    (points, found)
}

#[cfg(any(test, fuzzing))]
pub(super) fn shipped_resource() -> Resource {
    Resource {
        path: "rules/families.yml".to_owned(),
        text: include_str!("../../../playbooks/rules/families.yml").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guess(traits: &Traits) -> Vec<String> {
        let families = Families::read(&shipped_resource()).expect("the shipped families are well formed");
        families.guess(traits).into_iter().map(|guess| guess.family).collect()
    }

    #[test]
    fn what_speaks_for_a_family() {
        let rows: [(&str, Traits, &[&str]); 6] = [
            (
                "a configuration of its own shape, under another name",
                Traits {
                    programs: vec![b"kw".to_vec()],
                    configs: vec!["/tmp/.x/config.json".into()],
                    config_keys: vec!["donate-level".into(), "randomx".into(), "pools".into()],
                    ..Traits::default()
                },
                &["xmrig"],
            ),
            (
                "a worm by its names",
                Traits {
                    programs: vec![b"kdevtmpfsi".to_vec(), b"kinsing".to_vec()],
                    paths: vec!["/tmp/kdevtmpfsi".into()],
                    ..Traits::default()
                },
                &["kinsing"],
            ),
            (
                "everybody's configuration name",
                Traits {
                    configs: vec!["/srv/app/config.json".into()],
                    config_keys: vec!["port".into()],
                    ..Traits::default()
                },
                &[],
            ),
            (
                "Claymore by its name and its options, which another shares",
                Traits {
                    programs: vec![b"ethdcrminer64".to_vec()],
                    texts: vec![b"-epool eth.example:1 -ewal x".to_vec()],
                    ..Traits::default()
                },
                &["claymore", "phoenixminer"],
            ),
            (
                "MinerGate",
                Traits {
                    programs: vec![b"minergate-cli".to_vec()],
                    ..Traits::default()
                },
                &["minergate"],
            ),
            ("nothing", Traits::default(), &[]),
        ];
        for (name, traits, expected) in rows {
            assert_eq!(guess(&traits), expected, "{name}");
        }
    }

    #[test]
    fn every_family_has_a_name_and_something_that_speaks_for_it() {
        let families = Families::read(&shipped_resource()).expect("well formed").families;
        let mut names: Vec<&str> = families.iter().map(|(family, _)| family.family.as_str()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for (family, place) in &families {
            let some = family.programs.len() + family.paths.len() + family.config_keys.len() + family.words.len();
            assert!(
                some > 0 && !family.about.is_empty() && !family.title.is_empty(),
                "{place}"
            );
            assert!(
                family.words.iter().all(|word| word.len() > 4),
                "{place}: a short word is in every text"
            );
        }
        for handbook in ["xmrig", "minergate", "claymore"] {
            assert!(
                families.iter().any(|(family, _)| family.family == handbook),
                "{handbook}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_traits_panic(bytes: Vec<u8>) {
            guess(&Traits {
                programs: vec![bytes.clone()],
                paths: vec![HostPath::new(bytes.clone())],
                configs: vec![HostPath::new(bytes.clone())],
                config_keys: Vec::new(),
                texts: vec![bytes],
            });
        }
    }
}
