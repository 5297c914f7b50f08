use tokio::net::UnixStream;

use super::*;

/// A worker that says hello, then these bytes over and over until nobody takes them; it never reads.
async fn hostile(bytes: Vec<u8>, again: bool) -> Arc<Link> {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let mut hello = Vec::new();
    let said = FromWorker::Hello {
        protocol: PROTOCOL,
        version: "x".to_owned(),
        pid: 1,
    };
    frame::send_message(&mut hello, &said).expect("memory takes all");
    tokio::spawn(async move {
        let _ = theirs.write_all(&hello).await;
        while theirs.write_all(&bytes).await.is_ok() && again {}
        std::future::pending::<()>().await;
    });
    let (input, output) = ours.into_split();
    Link::begin("h", input, output).await.expect("it says hello")
}

fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).expect("short");
    [&length.to_be_bytes()[..], &[kind], payload].concat()
}

#[tokio::test]
async fn what_no_worker_says_ends_the_conversation() {
    let mut endless = 200_000_000u32.to_be_bytes().to_vec();
    endless.extend_from_slice(b"\x01{\"say\":\"event\",\"event\":\"refused\",\"why\":\"");
    let rows = [
        ("4 GiB", u32::MAX.to_be_bytes().to_vec(), "a frame of 4294967295 bytes"),
        ("a long message", endless, "a frame of 200000000 bytes"),
        ("a long piece", framed(2, &vec![0; 5 + PIECE_BYTES]), "a frame of"),
        (
            "an answer that nobody asked for",
            [
                &200_000_000u32.to_be_bytes()[..],
                b"\x01{\"say\":\"answer\",\"id\":1,\"result\":{",
            ]
            .concat(),
            "a frame of 200000000 bytes",
        ),
        ("no JSON", framed(1, b"{\"say\":"), "cannot be read"),
        (
            "the terminal's words",
            framed(1, b"{\"say\":\"event\",\"event\":\"\\u001b[31m\\u202e\"}"),
            r"unknown variant `\x1b[31m\xe2\x80\xae`",
        ),
        ("no kind", framed(9, b"x"), "kind 9"),
    ];
    for (name, bytes, expected) in rows {
        let link = hostile(bytes, false).await;
        let why = link.hear().await.expect_err(name);
        assert!(matches!(&why, HostError::Protocol { .. }), "{name}: {why}");
        assert!(why.to_string().contains(expected), "{name}: {why}");
    }
}

#[tokio::test]
async fn an_answer_becomes_little_more_than_its_bytes() {
    let list = |part: &str, times: usize| {
        let list = vec![part; times].join(",");
        framed(
            1,
            format!("{{\"say\":\"answer\",\"id\":1,\"result\":[{list}]}}").as_bytes(),
        )
    };
    let rows = [
        ("numbers", list("0", 1 << 20), "in too many parts"),
        ("few numbers", list("0", 1 << 10), "cannot be read"),
        (
            "a string of commas",
            list(&format!("\"\\\"{}\"", ",".repeat(1 << 20)), 1),
            "cannot be read",
        ),
    ];
    for (name, bytes, expected) in rows {
        let link = hostile(bytes, false).await;
        let why = link.observe(Query::Host {}).await.expect_err(name);
        assert!(why.to_string().contains(expected), "{name}: {why}");
        assert!(why.to_string().len() < 600, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_heard_waits_on_the_host() {
    let link = hostile(framed(2, &vec![0; 4 + PIECE_BYTES]), true).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waiting = link.told.lock().await.len();
    assert!(waiting * PIECE_BYTES <= QUEUE_BYTES, "{waiting} pieces wait");
    assert!(matches!(link.hear().await, Ok(Incoming::Piece { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_not_waited_for_without_end() {
    let link = hostile(Vec::new(), false).await;
    let heard = link.hear().await;
    assert!(matches!(heard, Err(HostError::TimedOut { .. })), "{heard:?}");
    let asked = link.observe(Query::Host {}).await;
    assert!(matches!(asked, Err(HostError::TimedOut { .. })), "{asked:?}");
}
