//! What the files of an inventory say, put together before anything is resolved.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::given::{Content, Given, Layer, Origin, Sort};

/// Hosts and groups with what is said of each, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) hosts: IndexMap<Arc<str>, DraftHost>,
    pub(super) groups: IndexMap<Arc<str>, DraftGroup>,
}

#[derive(Debug)]
pub(super) struct DraftHost {
    pub(super) origin: Origin,
    pub(super) given: Vec<Arc<Given>>,
    /// Where an inventory of our own defines it.
    pub(super) defined: Option<Origin>,
}

#[derive(Debug)]
pub(super) struct DraftGroup {
    pub(super) origin: Origin,
    pub(super) hosts: IndexSet<Arc<str>>,
    pub(super) children: IndexSet<Arc<str>>,
    pub(super) given: Vec<Arc<Given>>,
    /// `ansible_group_priority`; of groups equally far down the higher counts.
    pub(super) priority: i64,
    /// Where an inventory of our own defines it.
    pub(super) defined: Option<Origin>,
}

/// The group of all hosts.
pub(super) const ALL: &str = "all";
/// The group of the hosts that are in no other.
pub(super) const UNGROUPED: &str = "ungrouped";
/// The variable that sets a group's priority.
const PRIORITY: &str = "ansible_group_priority";

impl Draft {
    /// With the two groups that are always there.
    pub(super) fn new(origin: &Origin) -> Draft {
        let mut draft = Draft::default();
        draft.group(ALL, origin);
        draft.group(UNGROUPED, origin);
        draft
    }

    /// The host of that name, made where it is new.
    pub(super) fn host(&mut self, name: &str, origin: &Origin) -> &mut DraftHost {
        self.hosts.entry(Arc::from(name)).or_insert_with(|| DraftHost {
            origin: origin.clone(),
            given: Vec::new(),
            defined: None,
        })
    }

    /// The group of that name, made where it is new.
    pub(super) fn group(&mut self, name: &str, origin: &Origin) -> &mut DraftGroup {
        self.groups.entry(Arc::from(name)).or_insert_with(|| DraftGroup {
            origin: origin.clone(),
            hosts: IndexSet::new(),
            children: IndexSet::new(),
            given: Vec::new(),
            priority: 1,
            defined: None,
        })
    }

    /// Puts a host, which is made where it is new, into a group.
    pub(super) fn member(&mut self, group: &str, host: &str, origin: &Origin) {
        self.host(host, origin);
        let (at, _) = self.hosts.get_key_value(host).expect("it was just made");
        let host = Arc::clone(at);
        self.group(group, origin).hosts.insert(host);
    }

    /// A variable of an Ansible inventory for a group.
    pub(super) fn group_var(&mut self, group: &str, name: &str, said: Said, is_file: bool) {
        if name == PRIORITY && !is_file {
            let origin = said.origin.clone();
            let text = said.raw.as_deref().map(str::to_owned);
            let number = match &said.content {
                Content::Value(value) => value.as_i64().or_else(|| text.and_then(|text| text.parse().ok())),
                _ => None,
            };
            self.group(group, &origin).priority = number.unwrap_or(1);
            return;
        }
        let layer = match (group == ALL, is_file) {
            (true, false) => Layer::All,
            (false, false) => Layer::Group,
            (true, true) => Layer::AllVars,
            (false, true) => Layer::GroupVars,
        };
        let origin = said.origin.clone();
        let given = said.given(name, Sort::Var, layer, Some(group));
        self.group(group, &origin).given.push(given);
    }

    /// A variable of an Ansible inventory for a host.
    pub(super) fn host_var(&mut self, host: &str, name: &str, said: Said, is_file: bool) {
        let layer = if is_file { Layer::HostVars } else { Layer::Host };
        let origin = said.origin.clone();
        let given = said.given(name, Sort::Var, layer, None);
        self.host(host, &origin).given.push(given);
    }
}

/// A value with where it stands.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) content: Content,
    pub(super) raw: Option<Arc<str>>,
    pub(super) origin: Origin,
}

impl Said {
    pub(super) fn given(self, name: &str, sort: Sort, layer: Layer, group: Option<&str>) -> Arc<Given> {
        Arc::new(Given {
            name: Arc::from(name),
            content: self.content,
            raw: self.raw,
            layer,
            group: group.map(Arc::from),
            origin: self.origin,
            sort,
        })
    }
}
