//! Why something is never touched. Workers write it in English, into plans that are to read the same for everybody.

/// English with a value where `{}` stands, and Chinese with the values in the same order.
const RULES: &[(&str, &str)] = &[
    ("pid 1 is the host's own", "1 号进程属于主机自身"),
    (
        "it is our own session, from the worker up to what started it",
        "它属于我们自己的会话，即从工作进程到启动它的一切",
    ),
    ("it is a kernel thread", "它是内核线程"),
    (
        "it holds the host's watchdog: were it still, the host would start anew",
        "它持有主机的看门狗：一旦停住，主机会重新启动",
    ),
    (
        "{} keeps a cluster together: were it still, the host would be cut off",
        "{} 维系着集群：一旦停住，主机会被隔离",
    ),
    ("the site lists {}", "站点规定不得触碰 {}"),
    ("it is a mount point", "它是挂载点"),
    ("package {} owns it, its digest matches", "它属于软件包 {}，摘要相符"),
    (
        "its content is that of {} of package {}",
        "其内容与 {}（软件包 {}）相同",
    ),
    (
        "package {} owns its path: to be restored, not removed",
        "其路径属于软件包 {}：应当恢复，而非删除",
    ),
    ("it is a configuration file of package {}", "它是软件包 {} 的配置文件"),
    (
        "pid {}, which is not condemned, runs it",
        "未被判定为恶意的进程 {} 正在运行它",
    ),
    ("root is the last way in", "root 是最后的登录途径"),
    ("our own session came in by it", "我们自己的会话由它登录"),
    (
        "pid {}, which is not condemned, runs as it in a service of the system",
        "未被判定为恶意的进程 {} 以它的身份在系统服务中运行",
    ),
    ("it is no numeric address", "它不是数字地址"),
    ("the host's own addresses are not told", "主机自身的地址不明"),
    ("it is the host's own address", "它是主机自身的地址"),
    ("it is the host's way out", "它是主机的网关"),
    ("it is the host's name server", "它是主机的域名服务器"),
    ("our own session comes from there", "我们自己的会话来自那里"),
    (
        "somebody is logged in from there, and which login is ours is not told",
        "有人从那里登录，而哪个登录属于我们不明",
    ),
    (
        "the connections of our own session are not told",
        "我们自己会话的连接不明",
    ),
    (
        "which remote login is ours is not told; {} is one that would not be kept reachable",
        "哪个远程登录属于我们不明；{} 便是隔离后将无法连通的一个",
    ),
    ("it is the host's loopback", "它是主机的回环地址"),
    ("it is no address", "它不是地址"),
    ("it is an address of many", "它是组播地址"),
    ("it is an address of the local link", "它是本地链路地址"),
];

/// A rule in Chinese; one that is not known as it is.
pub(super) fn rule(rule: &str) -> String {
    for (english, chinese) in RULES {
        if let Some(values) = values_of(english, rule) {
            let mut parts = chinese.split("{}");
            let mut out = parts.next().unwrap_or_default().to_owned();
            for (value, part) in values.iter().zip(parts) {
                out.push_str(value);
                out.push_str(part);
            }
            return out;
        }
    }
    rule.to_owned()
}

/// What stands in a text where the pattern has `{}`, in order; `None` where the text is another.
fn values_of<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let parts: Vec<&str> = parts.collect();
    let mut values = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        // The last part is the end of the text: a value may hold the words of a part.
        let end = match at + 1 == parts.len() {
            true => rest.len().checked_sub(part.len()).filter(|_| rest.ends_with(part))?,
            false => rest.find(part)?,
        };
        values.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_belong() {
        let rows = [
            ("it is a mount point", "它是挂载点"),
            (
                "package cron owns it, its digest matches",
                "它属于软件包 cron，摘要相符",
            ),
            (
                "its content is that of /usr/bin/perl of package perl-base",
                "其内容与 /usr/bin/perl（软件包 perl-base）相同",
            ),
            (
                "pid 7 `a, which is not condemned, runs it`, which is not condemned, runs it",
                "未被判定为恶意的进程 7 `a, which is not condemned, runs it` 正在运行它",
            ),
            ("it is a mount point indeed", "it is a mount point indeed"),
        ];
        for (english, chinese) in rows {
            assert_eq!(rule(english), chinese);
        }
    }

    /// The sentences of a piece of source, with `{}` for every value.
    fn sentences(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let mut found = Vec::new();
        for line in lines {
            let literals = line.split('"').skip(1).step_by(2);
            for literal in literals.filter(|literal| literal.matches(' ').count() >= 2) {
                let mut pattern = String::new();
                let mut rest = &literal.replace("{} `{}`", "{}")[..];
                while let Some((words, behind)) = rest.split_once('{') {
                    pattern.push_str(words);
                    pattern.push_str("{}");
                    rest = behind.split_once('}').expect("a closed brace").1;
                }
                pattern.push_str(rest);
                found.push(pattern);
            }
        }
        found
    }

    #[test]
    fn every_rule_is_known() {
        let mut stated = sentences(include_str!("../../../../engine/worker/src/protect.rs"));
        let network = include_str!("../../../../engine/worker/src/network.rs");
        let (_, foreign) = network.split_once("fn is_never_foreign").expect("the rule is there");
        stated.extend(sentences(foreign.split_once("\n}").expect("its end").0));
        for pattern in &stated {
            assert!(RULES.iter().any(|(english, _)| english == pattern), "{pattern}");
        }
        for (english, _) in RULES {
            assert!(stated.iter().any(|pattern| pattern == english), "stale: {english}");
        }
    }
}
