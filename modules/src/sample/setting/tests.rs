use super::*;
use crate::wallet::{Coin, EXAMPLE};
use proptest::prelude::*;

/// A setting in one line.
fn line(setting: &Setting) -> String {
    let pool = setting.pool.as_ref().map_or("-".to_owned(), |pool| {
        let tls = if pool.tls == Some(true) { "+tls" } else { "" };
        format!("{}:{}{tls}", pool.host, pool.port.unwrap_or(0))
    });
    let text = |value: &Option<HostBytes>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
    let wallet = setting
        .wallet
        .as_ref()
        .map_or("-".to_owned(), |wallet| format!("{:?}", wallet.coin));
    let login = match setting.wallet {
        Some(_) => "*".to_owned(),
        None => text(&setting.login),
    };
    let password = if setting.has_password { " password" } else { "" };
    format!(
        "{pool} {login} {wallet} {} {} {}{password}",
        text(&setting.worker),
        text(&setting.algorithm),
        text(&setting.coin)
    )
}

fn arguments(text: &str) -> Vec<String> {
    let argv: Vec<HostBytes> = text.split(' ').map(HostBytes::from).collect();
    of_arguments(&argv).iter().map(line).collect()
}

const EVM: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

#[test]
fn command_lines_of_known_miners() {
    let rows: [(String, &[&str]); 16] = [
        (
            format!("./x -o stratum+tcp://pool.example:3333 -u {EXAMPLE}.rig1 -p x -k --tls -a rx/0"),
            &["pool.example:3333+tls * Monero rig1 rx/0 - password"],
        ),
        (
            format!("x --url=pool.example:443 --user={EXAMPLE}+50000 --rig-id web --coin monero"),
            &["pool.example:443 * Monero web - monero"],
        ),
        (
            format!("x -ostratum+ssl://[2001:db8::1]:443 -O {EXAMPLE}:x"),
            &["2001:db8::1:443+tls * Monero - - - password"],
        ),
        (
            format!("ethminer -P stratum1+tcp://{EVM}.rig@eth.example:4444 -U"),
            &["eth.example:4444 * Ethereum rig - -"],
        ),
        (
            format!("ethdcrminer64 -epool eth.example:4444 -ewal {EVM} -eworker rig -epsw x -mode 1"),
            &["eth.example:4444 * Ethereum rig - - password"],
        ),
        (
            "t-rex -a kawpow -o stratum+tcp://rvn.example:3636 -u RNs3ne88DoNEnXFTqUrj6zrYejeQpcj4jk.w -p x".to_owned(),
            &["rvn.example:3636 * Ravencoin w kawpow - password"],
        ),
        (
            format!("lolMiner --algo ETCHASH --pool etc.example:1010 --user {EVM}.rig --tls on"),
            &["etc.example:1010+tls * Ethereum rig ETCHASH -"],
        ),
        (
            "x -o pool.example:1 -u name.rig:secret".to_owned(),
            &["pool.example:1 name.rig - rig - - password"],
        ),
        ("minergate-cli -user a@b.example -xmr".to_owned(), &[]),
        (
            "x -o a.example:1 -u one -o b.example:2 -u two".to_owned(),
            &["a.example:1 one - - - -", "b.example:2 two - - - -"],
        ),
        ("gcc -o pool.o -c pool.c".to_owned(), &[]),
        (
            "curl -o page.html -u me:secret https://pool.example:443/x".to_owned(),
            &[],
        ),
        ("ssh -p 22 -u me host".to_owned(), &[]),
        (format!("x {EXAMPLE}"), &[]),
        ("x -o -u".to_owned(), &[]),
        ("x".to_owned(), &[]),
    ];
    for (text, expected) in rows {
        assert_eq!(arguments(&text), expected, "{text}");
    }
}

#[test]
fn configurations_of_known_miners() {
    let xmrig = format!(
        "{{\n // old\n \"algo\": \"cryptonight\",\n \"donate-level\": 1, \"randomx\": {{\"init\": -1}},\n \"pools\": [\n \
         {{\"url\": \"pool.example:443\", \"user\": \"{EXAMPLE}\", \"pass\": \"secret\", \"rig-id\": \"r\", \"tls\": true}},\n \
         {{\"algo\": \"rx/0\", \"url\": \"198.51.100.23:3333\", \"user\": \"{EXAMPLE}\"}},\n ]\n}}\n"
    );
    let stak = format!(
        "\"pool_list\" : [ {{\"pool_address\" : \"pool.example:3333\", \"wallet_address\" : \"{EXAMPLE}\", \"rig_id\" : \"\", \
         \"pool_password\" : \"x\", \"use_tls\" : false}}, ],\n\"currency\" : \"monero7\",\n"
    );
    let lol = format!(
        "{{\"DEFAULTS\": {{\"APIPORT\": 8080}}, \"E\": {{\"POOL\": \"etc.example\", \"PORT\": 1010, \"USER\": \"{EVM}\"}}}}"
    );
    let nano = format!("; comment\n[Ethash]\nwallet = {EVM}\ncoin = eth\nrigName = rig7\npool1 = eth.example:4444\n");
    let script = format!(
        "#!/bin/sh\ncd /tmp\nnohup ./kw -o \"stratum+tcp://pool.example:3333\" -u '{EXAMPLE}' -p x >/dev/null 2>&1 &\n"
    );
    let rows: [(&str, &str, &[&str]); 8] = [
        (
            "xmrig",
            &xmrig,
            &[
                "pool.example:443+tls * Monero r cryptonight - password",
                "198.51.100.23:3333 * Monero - rx/0 -",
            ],
        ),
        ("xmr-stak", &stak, &["pool.example:3333 * Monero - - monero7 password"]),
        ("lolMiner", &lol, &["etc.example:1010 * Ethereum - - -"]),
        ("nanominer", &nano, &["eth.example:4444 * Ethereum rig7 - eth"]),
        ("a script", &script, &["pool.example:3333 * Monero - - - password"]),
        (
            "of a web server",
            "{\"server\": {\"port\": 8080}, \"database\": {\"url\": \"postgres://u:p@db/x\", \"user\": \"shop\"}}",
            &[],
        ),
        (
            "of a shop",
            "database = 127.0.0.1:5432\nuser = shop\npassword = secret\n",
            &[],
        ),
        ("bytes", "\0\0\0", &[]),
    ];
    for (name, text, expected) in rows {
        let found = of_file(text.as_bytes());
        assert_eq!(found.settings.iter().map(line).collect::<Vec<_>>(), expected, "{name}");
    }
    let keys = of_file(xmrig.as_bytes()).keys;
    assert!(keys.iter().any(|key| key == "donate-level") && keys.iter().any(|key| key == "randomx"));
}

#[test]
fn environments() {
    let environ =
        |entries: &[&str]| -> Vec<HostBytes> { entries.iter().map(|entry| HostBytes::from(*entry)).collect() };
    let wallet = format!("WALLET={EXAMPLE}.rig");
    let found = of_environment(&environ(&[
        "HOME=/root",
        "USER=root",
        "PASSWORD=hunter2",
        "XMR_POOL=pool.example",
        &wallet,
        "POOL_PORT=3333",
        "POOL_PASSWORD=x",
        "DB_URL=a.example:1",
    ]));
    let (setting, names) = found.expect("a pool and a wallet");
    assert_eq!(line(&setting), "pool.example:3333 * Monero rig - - password");
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["XMR_POOL", "WALLET", "POOL_PASSWORD", "POOL_PORT"]);
    let hidden = format!("X1={EXAMPLE}");
    let (setting, names) = of_environment(&environ(&[&hidden])).expect("an address proves itself");
    assert_eq!(
        (setting.wallet.map(|w| w.coin), names),
        (Some(Coin::Monero), vec!["X1".into()])
    );
    assert_eq!(
        of_environment(&environ(&[
            "USER=root",
            "LOGIN=a.b",
            "PORT=80",
            "URL=http://x:1",
            "broken"
        ])),
        None
    );
    let others = environ(&["DATABASE_POOL=db.example:5432", "THREAD_POOL=8"]);
    assert_eq!(of_environment(&others), None);
}

#[test]
fn pools() {
    type Told = (&'static str, Option<u16>);
    let rows: [(&str, Option<Told>); 10] = [
        ("pool.example:3333", Some(("pool.example", Some(3333)))),
        (
            "stratum+tcp://pool.example:3333/path",
            Some(("pool.example", Some(3333))),
        ),
        ("stratum://user.rig:x@10.0.0.1:1", Some(("10.0.0.1", Some(1)))),
        ("pool.example", Some(("pool.example", None))),
        ("https://pool.example:443", None),
        ("pool", None),
        ("pool.example:port", None),
        ("pool.example:99999", None),
        ("a b.example:1", None),
        ("", None),
    ];
    for (text, expected) in rows {
        let told = Pool::parse(text.as_bytes()).map(|(pool, _)| (pool.host.to_string(), pool.port));
        assert_eq!(told, expected.map(|(host, port)| (host.to_owned(), port)), "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, words: Vec<Vec<u8>>, text in "(-o|-u|--url|=|:|/|@|stratum|\\.|[a-z0-9]{1,3}| ){0,20}") {
        let _ = (Pool::parse(&bytes), of_file(&bytes), of_file(text.as_bytes()), Pool::parse(text.as_bytes()));
        let argv: Vec<HostBytes> = words.into_iter().map(HostBytes::new).collect();
        let _ = (of_arguments(&argv), of_environment(&argv));
        let told = of_arguments(&["x".into(), HostBytes::from(text.as_str())]);
        prop_assert!(told.len() <= SETTINGS);
    }
}
