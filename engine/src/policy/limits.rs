//! How far a plan may go and when: what an environment or a site's policy bounds, as a plan states it.

use deminer_worker::action::{Action, Effect};
use serde::{Deserialize, Serialize};

use super::window::Window;

/// Bounds of every plan; none by default. Of two the narrower counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// What an action may do at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Effect>,
    /// When something may be destroyed: in one window of each of these lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Vec<Window>>,
    /// How many actions one host may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_actions: Option<u32>,
}

/// A bound that is passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// An action does more than is allowed.
    #[error("host `{host}`: an action of effect `{found}`, and at most `{most}` is allowed here")]
    Effect {
        /// The host.
        host: String,
        /// What it does.
        found: Effect,
        /// What is allowed.
        most: Effect,
    },
    /// A host has more changes than are allowed; a copy, or a freeze before a kill, is none.
    #[error("host `{host}`: {found} changes, and at most {most} are allowed on one host here")]
    Actions {
        /// The host.
        host: String,
        /// How many.
        found: usize,
        /// What is allowed.
        most: u32,
    },
    /// Nothing may be destroyed now.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Nothing may be destroyed now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing may be removed now: only {windows}")]
pub struct Closed {
    /// The windows.
    pub windows: String,
    /// When one opens, in milliseconds since 1970.
    pub opens_ms: u64,
}

impl LimitError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            LimitError::Effect { .. } => "approve less with `--only`, or plan under another environment".to_owned(),
            LimitError::Actions { .. } => "leave some out with `--exclude`, or have the policy changed".to_owned(),
            LimitError::Closed(Closed { opens_ms, .. }) => {
                let opens = i64::try_from(*opens_ms).ok();
                let opens = opens.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
                let when = opens.map_or(String::new(), |time| format!("the next window opens {time}; "));
                format!(
                    "{when}until then `--only contain` holds it; where approvals are signed, `deminer approve PLAN --only contain` has \
                     that part approved"
                )
            }
        }
    }
}

impl Limits {
    /// Whether it bounds nothing.
    pub fn is_none(&self) -> bool {
        *self == Limits::default()
    }

    /// The narrower of both.
    #[must_use]
    pub fn and(mut self, other: Limits) -> Limits {
        let narrower = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        self.effects = self.effects.into_iter().chain(other.effects).min();
        self.max_actions = narrower(self.max_actions, other.max_actions);
        for windows in other.windows {
            if !self.windows.contains(&windows) {
                self.windows.push(windows);
            }
        }
        self
    }

    /// Whether an action of this effect may be planned at all.
    pub fn allows(&self, effect: Effect) -> bool {
        self.effects.is_none_or(|most| effect <= most)
    }

    /// Holds the actions of one host against the bounds, at a time in milliseconds since 1970.
    ///
    /// # Errors
    /// The first that is passed.
    pub fn hold<'a>(
        &self,
        host: &str,
        actions: impl IntoIterator<Item = &'a Action>,
        now_ms: u64,
    ) -> Result<(), LimitError> {
        let (mut most_of_all, mut changes) = (None, 0usize);
        for action in actions {
            most_of_all = most_of_all.max(Some(action.act.effect()));
            changes += usize::from(action.act.is_change());
        }
        let Some(found) = most_of_all else {
            return Ok(());
        };
        if let Some(most) = self.effects.filter(|most| found > *most) {
            return Err(LimitError::Effect {
                host: host.to_owned(),
                found,
                most,
            });
        }
        if let Some(most) = self.max_actions
            && u32::try_from(changes).map_or(true, |found| found > most)
        {
            return Err(LimitError::Actions {
                host: host.to_owned(),
                found: changes,
                most,
            });
        }
        match found == Effect::Destroy {
            true => Ok(self.is_open(now_ms)?),
            false => Ok(()),
        }
    }

    /// Whether something may be destroyed now.
    ///
    /// # Errors
    /// When it may not, with when it may again.
    pub fn is_open(&self, now_ms: u64) -> Result<(), Closed> {
        let closed = |windows: &&Vec<Window>| !windows.iter().any(|window| window.is_open(now_ms));
        let Some(windows) = self.windows.iter().find(closed) else {
            return Ok(());
        };
        let written: Vec<String> = windows.iter().map(Window::to_string).collect();
        Err(Closed {
            windows: written.join(", "),
            opens_ms: windows
                .iter()
                .map(|window| window.opens(now_ms))
                .min()
                .unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(effects: Option<Effect>, windows: &[&str], max_actions: Option<u32>) -> Limits {
        let windows: Vec<Window> = windows.iter().map(|text| text.parse().expect("a window")).collect();
        Limits {
            effects,
            windows: if windows.is_empty() { Vec::new() } else { vec![windows] },
            max_actions,
        }
    }

    #[test]
    fn the_narrower_counts() {
        let wide = limits(Some(Effect::Destroy), &["daily 00:00-12:00 UTC"], Some(60));
        let narrow = limits(Some(Effect::Contain), &["daily 06:00-18:00 UTC"], Some(5));
        for both in [wide.clone().and(narrow.clone()), narrow.and(wide)] {
            assert_eq!((both.effects, both.max_actions), (Some(Effect::Contain), Some(5)));
            let hour = |hour: u64| both.is_open(hour * 3_600_000).is_ok();
            assert_eq!(
                (hour(5), hour(7), hour(13)),
                (false, true, false),
                "in both windows only"
            );
        }
        let none = Limits::default().and(limits(None, &[], Some(5)));
        assert_eq!(none.max_actions, Some(5));
        assert!(none.allows(Effect::Destroy) && none.is_open(0).is_ok());
        assert!(!limits(Some(Effect::Contain), &[], None).allows(Effect::Destroy));
    }

    #[test]
    fn a_closed_window_says_when_it_opens() {
        let closed = limits(None, &["daily 06:00-07:00 UTC"], None).is_open(8 * 3_600_000);
        let error = closed.expect_err("it is closed");
        assert_eq!(
            error.to_string(),
            "nothing may be removed now: only daily 06:00-07:00 UTC"
        );
        let hint = LimitError::from(error).hint();
        assert!(hint.contains("1970-01-02T06:00:00Z"), "{hint}");
    }
}
