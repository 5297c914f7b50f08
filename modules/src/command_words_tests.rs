use proptest::prelude::*;

use super::*;

/// One command a line: program, script, what it goes through, and a mark where not all is told.
fn shown(text: &str, home: Option<&str>) -> Vec<String> {
    simple_commands_at(text.as_bytes(), home.map(HostPath::from).as_ref())
        .iter()
        .map(|command| {
            let mut line: Vec<String> = command.through.iter().map(|word| format!("{word}>")).collect();
            line.push(command.program.to_string());
            line.extend(command.script.iter().map(|script| format!("@{script}")));
            line.extend(command.loads.iter().map(|file| format!("+{file}")));
            line.extend(command.untold.then(|| "?".to_owned()));
            line.join(" ")
        })
        .collect()
}

#[test]
fn programs_and_scripts() {
    let rows: [(&str, &str, &[&str]); 58] = [
        ("plain", "/tmp/x -o pool:3333", &["/tmp/x"]),
        ("searched", "xmrig -o pool", &["xmrig"]),
        ("list", "a; /b && c || d & e | f", &["a", "/b", "c", "d", "e", "f"]),
        ("redirected", "/tmp/x >/dev/null 2>&1 &", &["/tmp/x"]),
        ("setting", "A=1 B=$C /tmp/x", &["/tmp/x"]),
        (
            "preloaded",
            "LD_PRELOAD=/tmp/a.so:/tmp/b.so id",
            &["id +/tmp/a.so +/tmp/b.so"],
        ),
        ("nohup", "nohup /tmp/x &", &["nohup> /tmp/x"]),
        ("exec", "exec -a kworker /tmp/x", &["exec> /tmp/x"]),
        ("nice", "nice -n 19 /tmp/x", &["nice> /tmp/x"]),
        ("nice, old form", "nice -19 /tmp/x", &["nice> /tmp/x"]),
        ("ionice", "ionice -c3 -n 7 /tmp/x", &["ionice> /tmp/x"]),
        ("setsid", "setsid -f /tmp/x", &["setsid> /tmp/x"]),
        ("timeout", "timeout -k 5 -s 9 30 /tmp/x -t 2", &["timeout> /tmp/x"]),
        ("sudo", "sudo -nu deploy -- /tmp/x", &["sudo> /tmp/x"]),
        ("sudo with a setting", "sudo -E A=b /tmp/x", &["sudo> /tmp/x"]),
        (
            "a chain",
            "/usr/bin/nohup setsid nice /tmp/x",
            &["/usr/bin/nohup> setsid> nice> /tmp/x"],
        ),
        ("wrapper alone", "nohup", &["nohup"]),
        ("env", "env -i -u A B=c /tmp/x", &["env> /tmp/x"]),
        ("env, split", "env -S 'A=b /tmp/x -c'", &["env> /tmp/x"]),
        (
            "shell text",
            "sh -c 'cd /tmp && ./x; /bin/y'",
            &["sh> cd", "sh> /tmp/x", "sh> /bin/y"],
        ),
        (
            "shell text, options",
            "/bin/bash -lc \"/tmp/x -a\" name",
            &["/bin/bash> /tmp/x"],
        ),
        ("shell in shell", "sh -c \"bash -c '/tmp/x'\"", &["sh> bash> /tmp/x"]),
        ("su", "su - deploy -c '/tmp/x'", &["su> /tmp/x"]),
        ("flock", "flock -n /run/l -c '/tmp/x'", &["flock> /tmp/x"]),
        ("flock, words", "flock -n /run/l /tmp/x -c y", &["flock> /tmp/x"]),
        ("eval", "eval '/tmp/x' -a", &["eval> /tmp/x"]),
        ("shell script", "/bin/sh /opt/a.sh -c x", &["/bin/sh @/opt/a.sh"]),
        (
            "shell script, options",
            "bash -x -o pipefail /opt/a.sh",
            &["bash @/opt/a.sh"],
        ),
        (
            "python",
            "python3.11 -u -W ignore /opt/a.py",
            &["python3.11 @/opt/a.py"],
        ),
        ("python code", "python3 -c 'import os'", &["python3 ?"]),
        ("perl code", "perl -MSocket -e 'x'", &["perl ?"]),
        ("perl script", "perl -MSocket /tmp/x.pl", &["perl @/tmp/x.pl"]),
        ("java", "java -Xmx1g -jar /opt/a.jar", &["java @/opt/a.jar"]),
        ("php", "php8.2 -d a=b -f /srv/a.php", &["php8.2 @/srv/a.php"]),
        ("source", ". /etc/x; source /etc/y", &[". @/etc/x", "source @/etc/y"]),
        (
            "loader",
            "/lib64/ld-linux-x86-64.so.2 --library-path /l /tmp/x",
            &["/lib64/ld-linux-x86-64.so.2> /tmp/x"],
        ),
        ("relative", "cd /var/tmp/.x && ./run", &["cd", "/var/tmp/.x/run"]),
        (
            "relative, script",
            "cd /var/tmp; cd .x; sh a.sh",
            &["cd", "cd", "sh @/var/tmp/.x/a.sh"],
        ),
        ("relative, unknown", "./run; sh a.sh", &["./run", "sh @a.sh"]),
        ("subshell", "cd /a; (cd /b; ./x); ./y", &["cd", "cd", "/b/x", "/a/y"]),
        ("lost directory", "cd /a; cd $B; ./x", &["cd", "cd", "./x"]),
        ("dots", "/usr/./lib/../bin//x", &["/usr/bin/x"]),
        ("fetched", "curl -s http://x/a | sh", &["curl", "sh ?"]),
        (
            "fetched, substituted",
            "bash -c \"$(curl -s x)\"",
            &["curl", "bash> curl ?"],
        ),
        ("read from a file", "sh < /tmp/a.sh", &["sh @/tmp/a.sh"]),
        ("read from words", "bash <<< '/tmp/x'", &["bash ?", "bash> /tmp/x"]),
        ("variable", "$X -a", &["$X ?"]),
        ("pattern", "/tmp/.*/x", &["/tmp/.*/x ?"]),
        ("condition", "if [ -x /tmp/x ]; then /tmp/x; fi", &["[", "/tmp/x"]),
        ("test", "test -e /run/x || /usr/sbin/y", &["test", "/usr/sbin/y"]),
        (
            "case",
            "case $(/tmp/w) in\n  start|on) /tmp/x;;\n  (stop) y ;;\n  *) z\nesac\n/tmp/v",
            &["/tmp/w", "/tmp/x", "y", "z", "/tmp/v"],
        ),
        ("a word called case", "echo case in x; /tmp/x", &["echo", "/tmp/x"]),
        (
            "a substitution in a pattern",
            "case a in $(/tmp/x)) b;; esac",
            &["/tmp/x", "b"],
        ),
        (
            "functions",
            "a() { /tmp/x; }\nfunction b { /tmp/y; }\na; b 1; c",
            &["/tmp/x", "/tmp/y", "c"],
        ),
        (
            "a function that is called a shell",
            "sh() { /tmp/y; }; sh /tmp/x",
            &["/tmp/y", "sh @/tmp/x"],
        ),
        (
            "a text for a shell",
            "sh <<E\n/tmp/x\nE\n/tmp/y",
            &["sh ?", "/tmp/x", "/tmp/y"],
        ),
        (
            "a text for another",
            "cat > /tmp/z <<E\n/tmp/x\nE\n/tmp/y",
            &["cat", "/tmp/x ?", "/tmp/y"],
        ),
        ("nothing", "  # only a comment", &[]),
    ];
    for (name, text, expected) in rows {
        assert_eq!(shown(text, None), expected, "{name}: {text}");
    }
}

#[test]
fn a_home_is_where_commands_start() {
    let rows: [(&str, &str, &[&str]); 4] = [
        ("tilde", "~/.configrc/a/upd", &["/home/deploy/.configrc/a/upd"]),
        (
            "variable",
            "${HOME}/x; \"$HOME/y\"",
            &["/home/deploy/x", "/home/deploy/y"],
        ),
        ("relative", ".configrc/a/upd", &["/home/deploy/.configrc/a/upd"]),
        ("cd alone", "cd /tmp; cd; ./x", &["cd", "cd", "/home/deploy/x"]),
    ];
    for (name, text, expected) in rows {
        assert_eq!(shown(text, Some("/home/deploy")), expected, "{name}: {text}");
    }
}

#[test]
fn commands_know_their_lines() {
    let text = b"a\n\nif b; then\n  sh -c 'c\nd'\nfi\ne \\\n -x; f";
    let lines: Vec<String> = simple_commands(text)
        .iter()
        .map(|command| format!("{}:{}", command.line, command.program))
        .collect();
    assert_eq!(lines, ["1:a", "3:b", "4:c", "4:d", "7:e", "8:f"]);
}

#[test]
fn a_text_goes_on_where_another_ended() {
    let mut cwd = Some(HostPath::from("/a"));
    commands_from(b"cd b", None, &mut cwd);
    let files = started_files(&commands_from(b"./x", None, &mut cwd));
    assert_eq!(files, [HostPath::from("/a/b/x")]);
    commands_from(b"cd $C", None, &mut cwd);
    assert_eq!(cwd, None);
}

#[test]
fn started_files_are_absolute_and_once() {
    let commands = simple_commands(b"cd /tmp && ./x; /tmp/x; y; nohup /bin/sh /tmp/z.sh; LD_PRELOAD=/tmp/a.so id");
    let files: Vec<String> = started_files(&commands).iter().map(ToString::to_string).collect();
    assert_eq!(files, ["/tmp/x", "/bin/sh", "/tmp/z.sh", "/tmp/a.so"]);
}

#[test]
fn what_is_past_a_limit_is_untold() {
    let long = [&b"a ".repeat(TEXT_BYTES)[..], b"; /tmp/x"].concat();
    let many = b"a;".repeat(COMMANDS + 1);
    let chain = b"nohup ".repeat(WORDS + 2);
    assert!(simple_commands(&chain)[0].untold, "chain");
    let loads = [b"LD_PRELOAD=".to_vec(), b"/a:".repeat(WORDS + 1), b" id".to_vec()].concat();
    assert!(simple_commands(&loads)[0].untold, "loads");
    let deep = [b"$(".repeat(64), b"/tmp/x".to_vec()].concat();
    for (name, text) in [("long", long), ("many", many), ("deep", deep)] {
        let commands = simple_commands(&text);
        let last = commands.last().expect("a mark");
        assert!(last.untold && last.program.is_empty(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_end(bytes: Vec<u8>) {
        prop_assert!(simple_commands(&bytes).len() <= COMMANDS + 1);
    }

    #[test]
    fn any_shell_like_text_ends(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "sh", "-c", "'", "\"", "$(", ")", "(", "`", ";", "|", "<", "<<<", ">", "&", "cd", "/a", "./x", "env", "-S",
                "eval", "sudo", "-u", "nohup", "python3", "perl", "-e", "flock", "timeout", "\\", "$HOME", "~", "#", "\n", "--",
                "A=b", "{", "}", "-", " ",
            ]),
            0..60,
        ),
        glue in proptest::bool::ANY,
    ) {
        let text = words.join(if glue { "" } else { " " });
        let commands = simple_commands_at(text.as_bytes(), Some(&HostPath::from("/h")));
        prop_assert!(commands.len() <= COMMANDS + 1);
        for file in started_files(&commands) {
            prop_assert_eq!(file.as_bytes()[0], b'/');
        }
    }
}
