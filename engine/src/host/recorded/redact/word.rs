//! Which words are somebody's, and what each becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use deminer_worker::text::Digest;
use regex::bytes::{Captures, Regex};

use super::address::Addresses;
use super::key::Keys;

/// Accounts and groups that systems come with, and words that are in the paths of every system.
const EVERYBODYS: &str = "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody \
    nogroup _apt systemd-network systemd-resolve systemd-timesync systemd-coredump systemd-oom messagebus sshd ntp chrony \
    _chrony dbus polkitd postfix mysql postgres redis nginx apache httpd tomcat docker git ftp rpc rpcuser nfsnobody tss \
    uuidd syslog landscape pollinate lxd halt shutdown operator adm tty disk kmem dialout fax voice cdrom floppy tape sudo \
    audio dip src shadow utmp video sasl plugdev staff users input kvm render crontab netdev ssh ubuntu debian admin ec2-user \
    centos fedora cron test system user home lib etc usr var tmp opt srv local share localhost local-host ip6-localhost \
    localdomain";

/// Passwords and tokens that stand beside what they are.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i-u)((?:password|passwd|secret|token|api_?key)=)([^\s&"'\x00]+)"#)
        .expect("a constant that is tested")
});

/// The password field of shadow(5), crypt(5).
static HASHES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)(\$(?:1|2[abxy]?|5|6|7|y|gy)\$)([./A-Za-z0-9$=,]{8,})").expect("a constant that is tested")
});

/// Addresses of mail, and of accounts on other hosts.
static MAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)([A-Za-z0-9._%+-]{1,64})@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)")
        .expect("a constant that is tested")
});

/// What a name of a unit ends with, systemd.unit(5): `getty@tty1.service` is no address.
const UNITS: [&[u8]; 11] = [
    b"service",
    b"socket",
    b"timer",
    b"target",
    b"slice",
    b"scope",
    b"mount",
    b"automount",
    b"path",
    b"device",
    b"swap",
];

/// Behind a dot, a word of so many letters is the ending of a file's name.
const ENDING: usize = 4;

/// The words of one recording.
pub(super) struct Words {
    /// By what they stand for.
    known: BTreeMap<Vec<u8>, Vec<u8>>,
    stay: BTreeSet<String>,
    addresses: Addresses,
    keys: Keys,
    /// How many of a kind were given out.
    given: BTreeMap<&'static str, usize>,
    /// All of `known`, the longest first; made anew when a word is learned.
    finder: Option<Regex>,
}

impl Words {
    pub(super) fn new(public: &[&str], stay: &BTreeSet<String>) -> Words {
        let everybodys = EVERYBODYS.split_ascii_whitespace().map(str::to_owned);
        Words {
            known: BTreeMap::new(),
            stay: everybodys.chain(stay.iter().cloned()).collect(),
            addresses: Addresses::but(public, stay),
            keys: Keys::but(public),
            given: BTreeMap::new(),
            finder: None,
        }
    }

    /// An account, and whose it is.
    pub(super) fn account(&mut self, name: &str, full_name: &str) {
        self.learn(name, "user");
        // Of a comment each word: a surname stands elsewhere too.
        for word in full_name.split([' ', ',']).filter(|word| word.len() > 2) {
            self.learn(word, "name");
        }
    }

    /// A host's name, with its domain or without.
    pub(super) fn host(&mut self, name: &str) {
        let (first, domain) = name.split_once('.').unwrap_or((name, ""));
        self.learn(first, "host");
        self.domain(domain);
    }

    /// The addresses of mail, and of accounts on other hosts, in a text.
    pub(super) fn mail(&mut self, text: &[u8]) {
        for found in MAIL.captures_iter(text) {
            // What stands in the name of a place on the net is an account of a pool.
            if text[..found.get(0).map_or(0, |all| all.start())].ends_with(b"/") {
                continue;
            }
            let (who, at) = (&found[1], &found[2]);
            let end = at.rsplit(|b| *b == b'.').next().unwrap_or_default();
            if is_top(end) && !UNITS.contains(&end) {
                self.learn(&String::from_utf8_lossy(who), "mail");
                self.domain(&String::from_utf8_lossy(at));
            }
        }
    }

    /// Each name in a domain but the last.
    fn domain(&mut self, domain: &str) {
        if let Some((inner, _)) = domain.rsplit_once('.') {
            inner.split('.').for_each(|label| self.learn(label, "zone"));
        }
    }

    /// A number by which a machine or a boot is known.
    pub(super) fn id(&mut self, id: &str) {
        if id.len() >= 32 && !self.known.contains_key(id.as_bytes()) {
            let number = self.next("id");
            let digits = Digest::of(format!("pseudonym {number}").as_bytes()).to_string();
            let mut digits = digits.chars();
            let digit = |c: char| match c {
                '-' => Some('-'),
                _ => digits.next(),
            };
            let now: String = id.chars().filter_map(digit).collect();
            self.keep(id, now);
        }
    }

    /// A digest out of which a name could be guessed.
    pub(super) fn digest(&mut self, digest: &str) {
        if digest.len() == 64 && !self.known.contains_key(digest.as_bytes()) {
            let number = self.next("digest");
            self.keep(digest, Digest::of(format!("pseudonym {number}").as_bytes()).to_string());
        }
    }

    /// The pseudonyms, by what they stand for.
    pub(super) fn table(&self) -> BTreeMap<String, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let words = self.known.iter().map(|(word, now)| (text(word), text(now)));
        words.chain(self.addresses.table()).chain(self.keys.table()).collect()
    }

    fn learn(&mut self, word: &str, kind: &'static str) {
        let is_somebodys = !word.is_empty()
            && word.bytes().any(|b| b.is_ascii_alphabetic() || b >= 0x80)
            && !self.stay.contains(word)
            && !self.known.contains_key(word.as_bytes());
        if !is_somebodys {
            return;
        }
        loop {
            let number = self.next(kind);
            let now = as_long(kind, number, word.len());
            let is_free = !self.stay.contains(&now)
                && !self.known.contains_key(now.as_bytes())
                && self.known.values().all(|other| *other != now.as_bytes());
            if is_free || number > 10_000 {
                return self.keep(word, now);
            }
        }
    }

    fn keep(&mut self, word: &str, now: String) {
        self.known.insert(word.as_bytes().to_vec(), now.into_bytes());
        self.finder = None;
    }

    fn next(&mut self, kind: &'static str) -> usize {
        let number = self.given.entry(kind).or_default();
        *number += 1;
        *number
    }

    /// Bytes with a pseudonym for each word; `raw` where they are a form in which everything has its place.
    pub(super) fn pseudonyms(&mut self, bytes: &[u8], raw: bool) -> Vec<u8> {
        let bytes = self.keys.change(bytes);
        let bytes = HASHES.replace_all(&bytes, |found: &Captures<'_>| blotted(&found[1], &found[2]));
        let bytes = SECRETS.replace_all(&bytes, |found: &Captures<'_>| blotted(&found[1], &found[2]));
        let bytes = self.words(&bytes);
        self.addresses.change(&bytes, raw)
    }

    /// Whole words only: what stands inside a longer one is another word.
    fn words(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.known.is_empty() {
            return bytes.to_vec();
        }
        let known = &self.known;
        let finder = self.finder.get_or_insert_with(|| {
            let mut words: Vec<String> = known
                .keys()
                .map(|word| regex::escape(&String::from_utf8_lossy(word)))
                .collect();
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
            Regex::new(&words.join("|")).expect("words that are escaped are an expression")
        });
        let mut now = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(found) = finder.find_at(bytes, at) {
            let apart = |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric());
            let before = found.start().checked_sub(1).and_then(|place| bytes.get(place));
            // `wtmp.db` is a kind of file, whoever is called `db`; `web.shop.example` is none.
            let is_last = bytes.get(found.end()) != Some(&b'.');
            let is_ending = found.len() <= ENDING && before == Some(&b'.') && is_last;
            match known.get(found.as_bytes()) {
                Some(pseudonym) if !is_ending && apart(before) && apart(bytes.get(found.end())) => {
                    now.extend_from_slice(&bytes[at..found.start()]);
                    now.extend_from_slice(pseudonym);
                    at = found.end();
                }
                _ => {
                    now.extend_from_slice(&bytes[at..=found.start()]);
                    at = found.start() + 1;
                }
            }
        }
        now.extend_from_slice(&bytes[at..]);
        now
    }
}

/// Whether a name can be the last of a domain: letters, or such as are written in others (RFC 3492). A version is none.
fn is_top(name: &[u8]) -> bool {
    name.starts_with(b"xn--") || (name.len() > 1 && name.iter().all(u8::is_ascii_alphabetic))
}

/// The same length, without what it said.
fn blotted(head: &[u8], secret: &[u8]) -> Vec<u8> {
    [head, &vec![b'x'; secret.len()]].concat()
}

/// A pseudonym of that length: `user1`, `us1`, `userxx12`; letters alone where there is no room for a number.
fn as_long(kind: &str, number: usize, length: usize) -> String {
    let digits = number.to_string();
    if digits.len() < length {
        let room = length - digits.len();
        let head: String = kind.chars().chain(std::iter::repeat('x')).take(room).collect();
        return head + &digits;
    }
    let mut rest = number;
    let letter = |_| {
        let letter = b'a' + (rest % 26) as u8;
        rest /= 26;
        char::from(letter)
    };
    (0..length).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_are_as_long_as_what_they_stand_for() {
        let rows = [
            ("user", 1, 5, "user1"),
            ("user", 2, 3, "us2"),
            ("user", 12, 8, "userxx12"),
            ("user", 7, 1, "h"),
        ];
        for (kind, number, length, expected) in rows {
            assert_eq!(as_long(kind, number, length), expected);
        }
    }

    #[test]
    fn whole_words_become_the_same_everywhere() {
        let mut words = Words::new(&[], &BTreeSet::new());
        words.account("alice", "Alice Liddell,Room 7");
        words.account("root", "root");
        words.host("web-9.shop.example.net");
        let rows = [
            ("/home/alice/.ssh and malice", "/home/user1/.ssh and malice"),
            ("alice:x:1000:1000:Alice Liddell", "user1:x:1000:1000:name1 namexx2"),
            ("root@web-9.shop.example.net", "root@host1.zon1.example.net"),
            ("password=hunter2 root", "password=xxxxxxx root"),
            ("bob@mail.example.org", "ma1@mail.example.org"),
            ("getty@tty1.service", "getty@tty1.service"),
            ("postgresql@9.3-main", "postgresql@9.3-main"),
            ("user@0.service.d", "user@0.service.d"),
            ("[ -x /sbin/reboot ]", "[ -x /sbin/reboot ]"),
        ];
        // All is learned before anything is changed: what stands first may be explained last.
        rows.iter().for_each(|(text, _)| words.mail(text.as_bytes()));
        for (text, expected) in rows {
            let now = words.pseudonyms(text.as_bytes(), false);
            let now = String::from_utf8_lossy(&now).into_owned();
            if !text.contains('@') {
                assert_eq!(now, expected, "{text}");
            }
            assert_eq!(now.len(), text.len(), "{text}: {now}");
            for gone in ["alice ", "/alice", "Liddell", "web-9", "shop", "hunter2", "bob"] {
                assert!(!now.contains(gone), "{text}: {now}");
            }
        }
    }
}
