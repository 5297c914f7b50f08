//! One infection of a host: what is planted, what a plan must name of it, and what must be gone.

use crate::common::plan::Planned;
use crate::world::host::Host;

/// A planted infection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    /// Its name, as in the acceptance of the product.
    pub(crate) name: &'static str,
    /// All acts of a plan that concern it, as [`Planned::acts`] writes them.
    pub(crate) acts: Vec<String>,
    /// Programs that run at the time of the plan and may not afterwards.
    pub(crate) programs: Vec<String>,
    /// Names that must be free afterwards.
    pub(crate) gone: Vec<String>,
    /// Files that must hold exactly this afterwards.
    pub(crate) texts: Vec<(String, String)>,
    /// Files to which a command of the intruder adds the time, in seconds since 1970, whenever it runs, and until when one may
    /// have run.
    pub(crate) silent: Vec<(String, Until)>,
    /// Programs with their arguments that run well afterwards, and write no error.
    pub(crate) fresh: Vec<Vec<String>>,
}

/// The last moment at which a command may have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// When the first process stood still.
    Frozen,
    /// When the manager had read its units anew: what it starts by the clock is nobody's child, and no process that stands
    /// still holds it up.
    Reloaded,
}

/// When that was on a host, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) frozen: f64,
    pub(crate) reloaded: f64,
}

impl Moments {
    /// Of a host whose commands are not asked for.
    pub(crate) const NEVER: Moments = Moments {
        frozen: f64::INFINITY,
        reloaded: f64::INFINITY,
    };

    fn at(self, until: Until) -> f64 {
        match until {
            Until::Frozen => self.frozen,
            Until::Reloaded => self.reloaded,
        }
    }
}

impl Case {
    pub(crate) fn new(name: &'static str) -> Case {
        Case {
            name,
            ..Case::default()
        }
    }

    /// A process in this role, that runs a file of this name.
    pub(crate) fn process(mut self, role: &str, exe: &str) -> Case {
        for kind in ["keep", "freeze", "kill"] {
            self.acts.push(format!("{kind} {role} {exe}"));
        }
        self.programs.push(exe.to_owned());
        self
    }

    /// A file that is kept and removed.
    pub(crate) fn file(self, path: &str) -> Case {
        self.removed("remove_file", path)
    }

    /// A file that is kept and removed by an act of this kind.
    pub(crate) fn removed(mut self, kind: &str, path: &str) -> Case {
        self.acts.push(format!("keep {path}"));
        self.acts.push(format!("{kind} {path}"));
        self.gone.push(path.to_owned());
        self
    }

    /// A file that loses these lines, and is then this text.
    pub(crate) fn lines(mut self, path: &str, numbers: &[u32], text: &str) -> Case {
        let lines: String = numbers.iter().map(|number| format!(" line {number}")).collect();
        self.acts.push(format!("keep {path}"));
        self.acts.push(format!("edit_lines {path}{lines}"));
        self.texts.push((path.to_owned(), text.to_owned()));
        self
    }

    /// A symbolic link that is removed.
    pub(crate) fn link(mut self, path: &str) -> Case {
        self.acts.push(format!("remove_link {path}"));
        self.gone.push(path.to_owned());
        self
    }

    /// Files that grow no more from then on.
    pub(crate) fn silent(mut self, until: Until, paths: &[String]) -> Case {
        self.silent.extend(paths.iter().map(|path| (path.clone(), until)));
        self
    }

    /// A program that can be started afterwards, and complains of nothing.
    pub(crate) fn fresh(mut self, words: &[&str]) -> Case {
        self.fresh.push(words.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// An act that needs no keeping, or shares it.
    pub(crate) fn act(mut self, act: &str) -> Case {
        self.acts.push(act.to_owned());
        self
    }

    /// What does not run yet.
    pub(crate) fn missing(&self, host: &Host<'_>) -> Vec<String> {
        let lacking = self.programs.iter().filter(|exe| host.running(exe).is_empty());
        lacking.cloned().collect()
    }

    /// Its acts that a plan lacks.
    pub(crate) fn unplanned(&self, planned: &Planned) -> Vec<String> {
        let planned = planned.acts();
        let lacking = self.acts.iter().filter(|act| !planned.contains(act));
        lacking
            .map(|act| format!("`{}`: the plan lacks `{act}`", self.name))
            .collect()
    }

    /// What is left of it on the host, where all was done at these moments.
    pub(crate) fn left(&self, host: &Host<'_>, moments: Moments) -> Vec<String> {
        let running = self.programs.iter().filter(|exe| !host.running(exe).is_empty());
        let mut left: Vec<String> = running.map(|exe| format!("`{}`: {exe} runs", self.name)).collect();
        let there = self.gone.iter().filter(|path| host.has(path));
        left.extend(there.map(|path| format!("`{}`: {path} is there", self.name)));
        for (path, text) in &self.texts {
            let now = host
                .read(path)
                .map(|content| String::from_utf8_lossy(&content).into_owned());
            if now.as_ref() != Some(text) {
                left.push(format!("`{}`: {path} holds {now:?}, not {text:?}", self.name));
            }
        }
        for words in &self.fresh {
            let said = host.run(words);
            if (said.code, &*said.err) != (Some(0), "") {
                left.push(format!("`{}`: {words:?} ended so: {said:?}", self.name));
            }
        }
        for (path, until) in &self.silent {
            let last = moments.at(*until);
            let times = host
                .read(path)
                .map(|content| String::from_utf8_lossy(&content).into_owned());
            let times = times.iter().flat_map(|times| times.lines());
            let late = times.filter(|time| time.parse().is_ok_and(|time: f64| time > last));
            left.extend(late.map(|time| format!("`{}`: {path} was written at {time}, after {last}", self.name)));
        }
        left
    }
}
