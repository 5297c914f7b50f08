//! What a miner is told to do: pool, login, wallet, worker, algorithm; and how that stands in arguments, environments and
//! configuration files. All of it is the intruder's own text.

use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::lenient_json;
use crate::wallet::{self, Proof, Wallet};

/// Settings that one text gives at most.
pub(super) const SETTINGS: usize = 64;
/// The bytes of one value that are kept.
const VALUE_BYTES: usize = 512;
/// How deep maps in maps are looked into.
const DEPTH: usize = 8;
/// Keys of one configuration that are told to the families.
const KEYS: usize = 512;

/// One thing that a miner is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    /// Where it mines.
    pub pool: Option<Pool>,
    /// As whom, as it stands there; an account or an address.
    pub login: Option<HostBytes>,
    /// Who is paid, where the login holds an address.
    pub wallet: Option<Wallet>,
    /// The name of the machine at the pool.
    pub worker: Option<HostBytes>,
    /// The algorithm, in its own words.
    pub algorithm: Option<HostBytes>,
    /// The coin, in its own words.
    pub coin: Option<HostBytes>,
    /// Whether a password stands there; it is not shown.
    pub has_password: bool,
}

/// Where a miner gets its work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Pool {
    /// `stratum+tcp` and its like; `None` where none is written.
    pub scheme: Option<HostBytes>,
    /// A name or an address; not looked up.
    pub host: HostBytes,
    /// The port; `None` where none is written.
    pub port: Option<u16>,
    /// Whether it is spoken to through TLS; `None` where nothing says so.
    pub tls: Option<bool>,
}

/// A configuration as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) settings: Vec<Setting>,
    /// The names of its keys, in lower case, each once.
    pub(super) keys: Vec<String>,
}

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Pool,
    Port,
    Login,
    LoginAndPassword,
    Worker,
    Password,
    Algorithm,
    Coin,
    Tls,
}

/// Options of XMRig, cpuminer, ethminer, Claymore and Phoenix, T-Rex, lolMiner, NBMiner, GMiner, TeamRedMiner and
/// MinerGate, as each one's `--help` has them.
const OPTIONS: [(&[u8], Meaning); 41] = [
    (b"-o", Meaning::Pool),
    (b"--url", Meaning::Pool),
    (b"--pool", Meaning::Pool),
    (b"-pool", Meaning::Pool),
    (b"-epool", Meaning::Pool),
    (b"-zpool", Meaning::Pool),
    (b"-dpool", Meaning::Pool),
    (b"--server", Meaning::Pool),
    (b"-P", Meaning::Pool),
    (b"--stratum", Meaning::Pool),
    (b"--port", Meaning::Port),
    (b"-u", Meaning::Login),
    (b"--user", Meaning::Login),
    (b"-user", Meaning::Login),
    (b"-ewal", Meaning::Login),
    (b"-wal", Meaning::Login),
    (b"-dwal", Meaning::Login),
    (b"-zwal", Meaning::Login),
    (b"--wallet", Meaning::Login),
    (b"--login", Meaning::Login),
    (b"--address", Meaning::Login),
    (b"-O", Meaning::LoginAndPassword),
    (b"--userpass", Meaning::LoginAndPassword),
    (b"-w", Meaning::Worker),
    (b"--worker", Meaning::Worker),
    (b"-worker", Meaning::Worker),
    (b"-eworker", Meaning::Worker),
    (b"--rig-id", Meaning::Worker),
    (b"--rig", Meaning::Worker),
    (b"-p", Meaning::Password),
    (b"--pass", Meaning::Password),
    (b"-pass", Meaning::Password),
    (b"--password", Meaning::Password),
    (b"-epsw", Meaning::Password),
    (b"-a", Meaning::Algorithm),
    (b"--algo", Meaning::Algorithm),
    (b"-algo", Meaning::Algorithm),
    (b"--algorithm", Meaning::Algorithm),
    (b"--coin", Meaning::Coin),
    (b"-coin", Meaning::Coin),
    (b"--tls", Meaning::Tls),
];

/// Keys of configuration files and settings of environments, in lower case without hyphens and underscores.
const KEYS_MEAN: [(&str, Meaning); 29] = [
    ("url", Meaning::Pool),
    ("pool", Meaning::Pool),
    ("poolurl", Meaning::Pool),
    ("pooladdress", Meaning::Pool),
    ("poolhost", Meaning::Pool),
    ("poolserver", Meaning::Pool),
    ("server", Meaning::Pool),
    ("stratum", Meaning::Pool),
    ("port", Meaning::Port),
    ("poolport", Meaning::Port),
    ("user", Meaning::Login),
    ("username", Meaning::Login),
    ("login", Meaning::Login),
    ("wallet", Meaning::Login),
    ("walletaddress", Meaning::Login),
    ("poolwallet", Meaning::Login),
    ("pooluser", Meaning::Login),
    ("xmraddress", Meaning::Login),
    ("worker", Meaning::Worker),
    ("workername", Meaning::Worker),
    ("rigid", Meaning::Worker),
    ("rigname", Meaning::Worker),
    ("pass", Meaning::Password),
    ("password", Meaning::Password),
    ("poolpassword", Meaning::Password),
    ("algo", Meaning::Algorithm),
    ("algorithm", Meaning::Algorithm),
    ("coin", Meaning::Coin),
    ("currency", Meaning::Coin),
];

/// Of these, what every program's environment may hold for another purpose.
const ORDINARY: [&str; 9] = [
    "url", "server", "port", "user", "username", "login", "pass", "password", "coin",
];

const TLS_KEYS: [&str; 3] = ["tls", "usetls", "ssl"];

fn kept(bytes: &[u8]) -> HostBytes {
    HostBytes::new(&bytes[..bytes.len().min(VALUE_BYTES)])
}

impl Pool {
    /// A pool as it is written, and the login that stands in it (`stratum1+tcp://0xADDRESS.rig@host:port`). `None` for a
    /// page of the web and for what is no host.
    pub(super) fn parse(text: &[u8]) -> Option<(Pool, Option<&[u8]>)> {
        let (scheme, rest) = match text.windows(3).position(|run| run == b"://") {
            Some(at) => (Some(&text[..at]), &text[at + 3..]),
            None => (None, text),
        };
        let lower = scheme.map(<[u8]>::to_ascii_lowercase);
        if lower
            .as_deref()
            .is_some_and(|scheme| !is_pool_scheme(scheme) && !PLAIN_SCHEMES.contains(&scheme))
        {
            return None;
        }
        let rest = rest.split(|b| matches!(b, b'/' | b'?')).next().unwrap_or(rest);
        let (login, end) = match rest.iter().rposition(|b| *b == b'@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (host, port) = match end.iter().rposition(|b| *b == b':') {
            Some(at) => {
                let port = std::str::from_utf8(&end[at + 1..]).ok()?.parse().ok()?;
                (&end[..at], Some(port))
            }
            None => (end, None),
        };
        let host = host
            .strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host);
        let is_host = (1..=253).contains(&host.len())
            && host
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_'))
            && host.iter().any(|b| b.is_ascii_alphanumeric());
        let named = host.contains(&b'.') || host.contains(&b':') || host == b"localhost" || port.is_some();
        if !is_host || !named {
            return None;
        }
        let secure = lower.as_deref().map(|scheme| {
            [&b"ssl"[..], b"tls"]
                .iter()
                .any(|word| scheme.windows(3).any(|run| run == *word))
        });
        let pool = Pool {
            scheme: scheme.map(HostBytes::new),
            host: HostBytes::new(host),
            port,
            tls: secure.filter(|secure| *secure),
        };
        // A password may stand behind the login.
        let login = login.and_then(|login| login.split(|b| *b == b':').next());
        Some((pool, login.filter(|login| !login.is_empty())))
    }

    /// Whether it is written as only pools are: with a scheme of them.
    fn has_pool_scheme(&self) -> bool {
        let scheme = self
            .scheme
            .as_ref()
            .map(|scheme| scheme.as_bytes().to_ascii_lowercase());
        scheme.is_some_and(|scheme| is_pool_scheme(&scheme))
    }
}

/// Schemes that pools share with others.
const PLAIN_SCHEMES: [&[u8]; 4] = [b"tcp", b"udp", b"ssl", b"tls"];

/// Whether a scheme, in lower case, is one of pools and of nothing else.
fn is_pool_scheme(scheme: &[u8]) -> bool {
    let plain = scheme
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
    let words = [&b"stratum"[..], b"daemon+", b"ethproxy", b"nicehash"];
    plain
        && words
            .iter()
            .any(|word| scheme.windows(word.len()).any(|run| run == *word))
}

impl Setting {
    fn take(&mut self, meaning: Meaning, value: &[u8]) {
        let value = value.trim_ascii();
        if value.is_empty() {
            return;
        }
        match meaning {
            Meaning::Pool => {
                if let Some((pool, login)) = Pool::parse(value) {
                    self.pool = Some(pool);
                    if let Some(login) = login {
                        self.take(Meaning::Login, login);
                    }
                }
            }
            Meaning::Port => {
                let port = std::str::from_utf8(value).ok().and_then(|port| port.parse().ok());
                if let (Some(pool), Some(port)) = (&mut self.pool, port) {
                    pool.port = pool.port.or(Some(port));
                }
            }
            Meaning::Login => {
                self.wallet = wallet::find(value);
                // Behind a colon stands a password, unless the address itself does: `XMR:ADDRESS`.
                let address = self
                    .wallet
                    .as_ref()
                    .map_or(&b""[..], |wallet| wallet.address.as_bytes());
                let from = position(value, address).map_or(0, |at| at + address.len());
                let end = value[from..].iter().position(|b| *b == b':').map(|at| from + at);
                self.has_password |= end.is_some();
                let value = &value[..end.unwrap_or(value.len())];
                self.login = Some(kept(value));
                let worker = match &self.wallet {
                    Some(wallet) => worker_behind(value, wallet.address.as_bytes()),
                    // A mail address is no account with a worker.
                    None if value.contains(&b'@') => None,
                    None => value.iter().position(|b| *b == b'.').map(|at| &value[at + 1..]),
                };
                if let Some(worker) = worker.filter(|worker| !worker.is_empty()) {
                    self.worker = Some(kept(worker));
                }
            }
            Meaning::LoginAndPassword => {
                let mut halves = value.splitn(2, |b| *b == b':');
                if let Some(login) = halves.next() {
                    self.take(Meaning::Login, login);
                }
                self.has_password |= halves.next().is_some();
            }
            Meaning::Worker => self.worker = Some(kept(value)),
            Meaning::Password => self.has_password = true,
            Meaning::Algorithm => self.algorithm = Some(kept(value)),
            Meaning::Coin => self.coin = Some(kept(value)),
            Meaning::Tls => {
                if let Some(pool) = &mut self.pool {
                    pool.tls = Some(true);
                }
            }
        }
    }

    /// Whether it tells where or for whom is mined: a name alone is anybody's.
    fn tells(&self) -> bool {
        let pool = self.pool.as_ref();
        let pool = pool.is_some_and(|pool| pool.has_pool_scheme() || pool.port.is_some());
        let proven = self.wallet.as_ref();
        pool || proven.is_some_and(|wallet| wallet.proof == Proof::Checksum)
    }
}

/// Where a part begins in a text.
fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    let mut places = text.windows(part.len().max(1));
    (!part.is_empty()).then(|| places.position(|run| run == part)).flatten()
}

/// The worker's name behind an address: `ADDRESS.rig1+5000/mail` is `rig1`.
fn worker_behind<'a>(login: &'a [u8], address: &[u8]) -> Option<&'a [u8]> {
    let at = position(login, address)? + address.len();
    let rest = login[at..].strip_prefix(b".")?;
    rest.split(|b| matches!(b, b'+' | b'#' | b'/' | b':')).next()
}

/// What a command line says; the first word is the program's own name.
pub(super) fn of_arguments(argv: &[HostBytes]) -> Vec<Setting> {
    let words = argv
        .iter()
        .skip(1)
        .flat_map(|argument| argument.as_bytes().split(|b| b.is_ascii_whitespace()))
        .filter(|word| !word.is_empty());
    of_words(&words.collect::<Vec<_>>())
}

/// What options and their values say; another pool begins another setting.
fn of_words(words: &[&[u8]]) -> Vec<Setting> {
    let mut settings = vec![Setting::default()];
    let mut at = 0;
    while at < words.len() && settings.len() <= SETTINGS {
        let word = unquoted(words[at]);
        at += 1;
        let (name, glued) = match word.iter().position(|b| *b == b'=') {
            Some(equal) if word.starts_with(b"-") => (&word[..equal], Some(&word[equal + 1..])),
            _ => (word, None),
        };
        let known = OPTIONS
            .iter()
            .find(|(option, _)| *option == name)
            .map(|(_, meaning)| *meaning);
        let (meaning, value) = match (known, glued) {
            (Some(Meaning::Tls), None) => (Meaning::Tls, &b"true"[..]),
            (Some(meaning), Some(value)) => (meaning, value),
            (Some(meaning), None) => {
                let Some(value) = words.get(at) else { break };
                // An option where a value should be: there is none.
                if value.starts_with(b"-") && value.len() > 1 {
                    continue;
                }
                at += 1;
                (meaning, *value)
            }
            // `-ostratum+tcp://...` is glued to its option; a pool in its own scheme needs none.
            (None, _) => {
                let bare = word.strip_prefix(b"-o").unwrap_or(word);
                match Pool::parse(bare) {
                    Some((pool, _)) if pool.has_pool_scheme() => (Meaning::Pool, bare),
                    _ => continue,
                }
            }
        };
        let last = settings.len() - 1;
        if meaning == Meaning::Pool && settings[last].pool.is_some() {
            settings.push(Setting::default());
        }
        if let Some(setting) = settings.last_mut() {
            setting.take(meaning, unquoted(value));
        }
    }
    told(settings)
}

fn unquoted(word: &[u8]) -> &[u8] {
    [&b"\""[..], b"'"]
        .into_iter()
        .find_map(|quote| word.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(word)
}

/// Those that tell something, without repetition.
fn told(settings: Vec<Setting>) -> Vec<Setting> {
    let mut kept: Vec<Setting> = Vec::new();
    for setting in settings.into_iter().filter(Setting::tells) {
        if !kept.contains(&setting) && kept.len() < SETTINGS {
            kept.push(setting);
        }
    }
    kept
}

/// What an environment says, with the names of the settings that say it. Values of all others are not looked at beyond a
/// pool's scheme and an address that proves itself, and are never given on.
pub(super) fn of_environment(environ: &[HostBytes]) -> Option<(Setting, Vec<HostBytes>)> {
    let mut setting = Setting::default();
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for entry in environ {
        let bytes = entry.as_bytes();
        let Some(equal) = bytes.iter().position(|b| *b == b'=') else {
            continue;
        };
        let (name, value) = (&bytes[..equal], &bytes[equal + 1..]);
        let key = normal(name);
        // `USER` and `DB_URL` are no words of a miner.
        let known = KEYS_MEAN
            .iter()
            .find(|(known, _)| !ORDINARY.contains(known) && key.ends_with(known) && key.len() <= known.len() + 8);
        let meaning = match known.map(|(_, meaning)| *meaning) {
            Some(Meaning::Port) => {
                ports.push((name, value));
                continue;
            }
            Some(meaning) => meaning,
            None => match Pool::parse(value) {
                Some((pool, _)) if pool.has_pool_scheme() => Meaning::Pool,
                _ if wallet::monero(value).is_some() => Meaning::Login,
                _ => continue,
            },
        };
        let before = setting.clone();
        setting.take(meaning, value);
        if setting != before {
            names.push(kept(name));
        }
    }
    for (name, value) in ports {
        let before = setting.clone();
        setting.take(Meaning::Port, value);
        if setting != before {
            names.push(kept(name));
        }
    }
    let both = setting.pool.is_some() && (setting.login.is_some() || setting.worker.is_some());
    let alone = setting.pool.as_ref().is_some_and(Pool::has_pool_scheme) || setting.wallet.is_some();
    ((both || alone) && setting.tells()).then_some((setting, names))
}

/// A key in lower case, without hyphens and underscores.
fn normal(name: &[u8]) -> String {
    let letters = name.iter().filter(|b| !matches!(b, b'-' | b'_'));
    letters.take(64).map(|b| char::from(b.to_ascii_lowercase())).collect()
}

/// What a configuration file says: JSON as miners read it, lines `KEY=VALUE`, or a command line.
pub(super) fn of_file(content: &[u8]) -> Configuration {
    if let Some(value) = lenient_json::read(content) {
        let mut found = Configuration::default();
        walk(&value, &Setting::default(), 0, &mut found);
        found.settings = told(found.settings);
        return found;
    }
    if content.contains(&0) {
        return Configuration::default();
    }
    let mut settings = Vec::new();
    let mut pairs = Setting::default();
    let mut keys = Vec::new();
    for line in content.split(|b| *b == b'\n').take(10_000) {
        let line = line.trim_ascii();
        if line.first() == Some(&b'#') || line.first() == Some(&b';') {
            continue;
        }
        let words: Vec<&[u8]> = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        settings.extend(of_words(&words));
        let Some(equal) = line.iter().position(|b| *b == b'=') else {
            continue;
        };
        let (name, value) = (line[..equal].trim_ascii(), unquoted(line[equal + 1..].trim_ascii()));
        let key = normal(name);
        let key = key.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Some((known, meaning)) = KEYS_MEAN.iter().find(|(known, _)| *known == key) {
            pairs.take(*meaning, value);
            if keys.len() < KEYS && !keys.iter().any(|key| key == known) {
                keys.push((*known).to_owned());
            }
        }
    }
    settings.push(pairs);
    Configuration {
        settings: told(settings),
        keys,
    }
}

/// Takes in the maps of a configuration; an algorithm or a coin above holds for what is below.
fn walk(value: &Value, above: &Setting, depth: usize, found: &mut Configuration) {
    if depth > DEPTH || found.settings.len() >= SETTINGS {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, above, depth + 1, found)),
        Value::Object(map) => {
            let mut setting = Setting {
                algorithm: above.algorithm.clone(),
                coin: above.coin.clone(),
                ..Setting::default()
            };
            take_map(map, &mut setting, found);
            let below = Setting {
                algorithm: setting.algorithm.clone(),
                coin: setting.coin.clone(),
                ..Setting::default()
            };
            if setting.pool.is_some() || setting.login.is_some() {
                found.settings.push(setting);
            }
            for inner in map.values() {
                walk(inner, &below, depth + 1, found);
            }
        }
        _ => {}
    }
}

fn take_map(map: &Map<String, Value>, setting: &mut Setting, found: &mut Configuration) {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let mut later = Vec::new();
    for (name, value) in map {
        let written = name.to_ascii_lowercase();
        if found.keys.len() < KEYS && written.len() <= 64 && !found.keys.contains(&written) {
            found.keys.push(written);
        }
        let key = normal(name.as_bytes());
        let meaning = KEYS_MEAN
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, meaning)| *meaning);
        match (meaning, text(value)) {
            (Some(Meaning::Port), Some(value)) => later.push((Meaning::Port, value)),
            (Some(meaning), Some(value)) => setting.take(meaning, value.as_bytes()),
            _ if TLS_KEYS.contains(&key.as_str()) && *value == Value::Bool(true) => {
                later.push((Meaning::Tls, "true".to_owned()));
            }
            _ => {}
        }
    }
    // What speaks of the pool, after the pool.
    for (meaning, value) in later {
        setting.take(meaning, value.as_bytes());
    }
}

#[cfg(test)]
mod tests;
