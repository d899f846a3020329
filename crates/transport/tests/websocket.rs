//! The WebSocket transport against other ends that misbehave, over memory and in virtual time.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use bytes::Bytes;
use tidegate_protocol::limits::{MAX_PAYLOAD, MAX_PAYLOAD_BEFORE_AUTH};
use tidegate_protocol::{CloseCode, CloseFrame};
use tidegate_testkit::raw_socket::{
    BINARY, CLOSE, CONTINUATION, LAST, PING, PONG, RawSocket, TEXT, TEXT_START, frame, header,
};
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_transport::websocket::{WebSocketTimes, WebSocketTransport};
use tidegate_transport::{Gone, Received, Transport as _};
use tokio::io::DuplexStream;
use tokio::time::Instant;

type Server = WebSocketTransport<DuplexStream>;
type Client = RawSocket<DuplexStream>;

fn pair() -> (Server, Client) {
    let (server, client) = tokio::io::duplex(256 * 1024);
    (WebSocketTransport::new(server, Bytes::new(), WebSocketTimes::default()), RawSocket::over(client))
}

#[track_caller]
fn text(received: Received) -> String {
    match received {
        Received::Text(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

#[track_caller]
fn refusal(received: Received) -> (CloseCode, String) {
    match received {
        Received::Refused(frame) => (frame.code, frame.reason),
        other => panic!("not refused: {other:?}"),
    }
}

/// What the client sees after the server was told to refuse it.
async fn close_seen(mut server: Server, mut client: Client) -> Option<(u16, String)> {
    let Received::Refused(frame) = server.receive().await else { panic!("not refused") };
    let (close, ()) = tokio::join!(client.read_close(), server.close(frame));
    close.expect("an end")
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways_whole_and_in_pieces() {
    let (mut server, mut client) = pair();
    client.send(&frame(TEXT, b"one")).await.expect("sent");
    assert_eq!(text(server.receive().await), "one");
    let pieces = [
        frame(TEXT_START, "t\u{e4}".as_bytes()),
        frame(PING, b"between"),
        frame(CONTINUATION, b"w"),
        frame(LAST, b"o"),
        frame(TEXT, b"three"),
    ];
    client.send(&pieces.concat()).await.expect("sent");
    assert_eq!(text(server.receive().await), "t\u{e4}wo");
    assert_eq!(text(server.receive().await), "three");
    server.send(Bytes::from_static(b"four")).await.expect("sent");
    let pong = client.read_frame().await.expect("a frame");
    assert_eq!((pong.first, pong.payload.as_slice()), (PONG, b"between".as_slice()));
    assert_eq!(client.read_frame().await.expect("a frame").payload, b"four");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_came_with_the_upgrade_are_not_lost() {
    let (io, _client) = tokio::io::duplex(1024);
    let unread = [frame(TEXT, b"early"), frame(TEXT, b"bird")].concat();
    let mut server = WebSocketTransport::new(io, unread.into(), WebSocketTimes::default());
    assert_eq!(text(server.receive().await), "early");
    assert_eq!(text(server.receive().await), "bird");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receive_loses_nothing() {
    let (mut server, mut client) = pair();
    let bytes = frame(TEXT, &[b'x'; 3000]);
    for piece in bytes.chunks(1000) {
        let nothing = tokio::time::timeout(Duration::from_millis(1), server.receive()).await;
        assert!(nothing.is_err());
        client.send(piece).await.expect("sent");
    }
    assert_eq!(text(server.receive().await).len(), 3000);
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_limit_is_refused_by_its_announced_length_alone() {
    for length in [MAX_PAYLOAD_BEFORE_AUTH as u64 + 1, 64 << 20, (1 << 63) - 1, u64::MAX] {
        let (server, mut client) = pair();
        client.send(&header(TEXT, length)).await.expect("sent");
        let close = close_seen(server, client).await;
        assert_eq!(close, Some((1009, "preauth payload too large".to_owned())), "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_raised_for_a_connection_that_was_let_in() {
    let (mut server, mut client) = pair();
    server.set_limit(MAX_PAYLOAD);
    let large = vec![b'x'; MAX_PAYLOAD_BEFORE_AUTH + 1];
    client.send(&frame(TEXT, &large)).await.expect("sent");
    assert_eq!(text(server.receive().await).len(), large.len());
    client.send(&header(TEXT, MAX_PAYLOAD as u64 + 1)).await.expect("sent");
    let (code, reason) = refusal(server.receive().await);
    assert_eq!((code, reason.as_str()), (CloseCode::TooBig, "message larger than 26214400 bytes"));
}

#[tokio::test(start_paused = true)]
async fn unfinished_messages_share_a_budget_that_leaves_room_for_small_ones() {
    let budget = ReceiveBudget::new(300_000);
    let piece = vec![b'x'; 60_000];
    let mut held = Vec::new();
    let refused = loop {
        let (server, mut client) = pair();
        let mut server = server.with_budget(&budget);
        server.set_limit(MAX_PAYLOAD);
        client.send(&frame(TEXT_START, &piece)).await.expect("sent");
        match tokio::time::timeout(Duration::from_millis(1), server.receive()).await {
            Ok(received) => break refusal(received),
            Err(_) => held.push((server, client)),
        }
    };
    assert_eq!(refused.0, CloseCode::TryLater, "{}", refused.1);
    assert!(held.len() >= 2 && budget.held() <= 300_000, "{} with {} bytes", held.len(), budget.held());

    let (server, mut client) = pair();
    let mut server = server.with_budget(&budget);
    client.send(&[frame(TEXT_START, b"sm"), frame(LAST, b"all")].concat()).await.expect("sent");
    assert_eq!(text(server.receive().await), "small");
    let (mut first, mut client) = held.swap_remove(0);
    client.send(&frame(LAST, b"end")).await.expect("sent");
    assert_eq!(text(first.receive().await).len(), 60_003, "who has room keeps it");
    drop((first, held));
    assert_eq!(budget.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_violation_is_still_delivered() {
    let (mut server, mut client) = pair();
    let bytes = [frame(TEXT, b"good"), frame(PING, b"p"), header(TEXT, 1 << 40)].concat();
    client.send(&bytes).await.expect("sent");
    assert_eq!(text(server.receive().await), "good");
    assert_eq!(refusal(server.receive().await).0, CloseCode::TooBig);
}

#[tokio::test(start_paused = true)]
async fn fragments_that_add_up_above_the_limit_are_refused() {
    let (server, mut client) = pair();
    client.send(&frame(TEXT_START, &vec![b'x'; 40_000])).await.expect("sent");
    client.send(&frame(CONTINUATION, &vec![b'x'; 40_000])).await.expect("sent");
    assert_eq!(close_seen(server, client).await.map(|close| close.0), Some(1009));
}

#[tokio::test(start_paused = true)]
async fn a_million_tiny_fragments_end_the_connection_early() {
    for payload in [b"".as_slice(), b"x"] {
        let (server, mut client) = pair();
        let flood = tokio::spawn(async move {
            let mut sent = client.send(&frame(TEXT_START, b"x")).await;
            let batch = frame(CONTINUATION, payload).repeat(1000);
            for _ in 0..1000 {
                sent = sent.and(client.send(&batch).await);
            }
            sent
        });
        let mut server = server;
        let (code, reason) = refusal(server.receive().await);
        assert_eq!((code, reason.as_str()), (CloseCode::Policy, "message in too many fragments"));
        server.close(CloseFrame::new(code, &reason)).await;
        assert!(flood.await.expect("no panic").is_err(), "the rest was not taken");
    }
}

#[tokio::test(start_paused = true)]
async fn floods_of_control_frames_end_the_connection() {
    for first in [PING, PONG] {
        let (server, mut client) = pair();
        client.send(&frame(first, b"").repeat(1000)).await.expect("sent");
        let close = close_seen(server, client).await;
        assert_eq!(close, Some((1008, "too many control frames".to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_close_frames_is_one_close() {
    let (mut server, mut client) = pair();
    client.send(&frame(CLOSE, &1000_u16.to_be_bytes()).repeat(40)).await.expect("sent");
    assert!(matches!(server.receive().await, Received::Closed));
    assert_eq!(client.read_close().await.expect("an end"), Some((1000, String::new())));
}

#[tokio::test(start_paused = true)]
async fn binary_messages_are_refused() {
    let (server, mut client) = pair();
    client.send(&frame(BINARY, b"x")).await.expect("sent");
    let close = close_seen(server, client).await;
    assert_eq!(close, Some((1008, "binary messages are not accepted".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_standard_get_its_close_codes() {
    let unmasked = vec![TEXT, 2, b'{', b'}'];
    let compressed = frame(TEXT | 0x40, b"{}");
    let reserved_text = frame(0x83, b"");
    let reserved_control = frame(0x8b, b"");
    let fragmented_ping = frame(0x09, b"");
    let long_ping = frame(PING, &[0; 126]);
    let lonely_continuation = frame(LAST, b"x");
    let nested_start = [frame(TEXT_START, b"a"), frame(TEXT, b"b")].concat();
    let bad_text = frame(TEXT, &[0xff]);
    let cut_text = [frame(TEXT_START, &[0xe2, 0x82]), frame(LAST, b"x")].concat();
    let surrogate = frame(TEXT, &[0xed, 0xa0, 0x80]);
    let short_close = frame(CLOSE, &[3]);
    let bad_code = frame(CLOSE, &1005_u16.to_be_bytes());
    let bad_reason = frame(CLOSE, &[0x03, 0xe8, 0xff]);
    for (what, bytes, code) in [
        ("unmasked", unmasked, 1002),
        ("compressed", compressed, 1002),
        ("reserved opcode", reserved_text, 1002),
        ("reserved control opcode", reserved_control, 1002),
        ("fragmented ping", fragmented_ping, 1002),
        ("long ping", long_ping, 1002),
        ("continuation of nothing", lonely_continuation, 1002),
        ("a start within a message", nested_start, 1002),
        ("not UTF-8", bad_text, 1007),
        ("not UTF-8 across fragments", cut_text, 1007),
        ("a surrogate", surrogate, 1007),
        ("a close frame of one byte", short_close, 1002),
        ("a reserved close code", bad_code, 1002),
        ("a close reason that is not UTF-8", bad_reason, 1007),
    ] {
        let (server, mut client) = pair();
        client.send(&bytes).await.expect("sent");
        assert_eq!(close_seen(server, client).await.map(|close| close.0), Some(code), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_in_is_cut_off_after_ten_seconds() {
    let whole = frame(TEXT, &[b'x'; 2000]);
    for sent_at_once in [1, 3, 500] {
        let (mut server, mut client) = pair();
        let start = Instant::now();
        let bytes = whole.clone();
        let trickle = tokio::spawn(async move {
            client.send(&bytes[..sent_at_once]).await?;
            for byte in &bytes[sent_at_once..] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                client.send(&[*byte]).await?;
            }
            std::io::Result::Ok(())
        });
        let (code, reason) = refusal(server.receive().await);
        assert_eq!((code, reason.as_str()), (CloseCode::Policy, "message took too long to arrive"));
        let took = start.elapsed();
        assert!((Duration::from_secs(10)..Duration::from_millis(10_100)).contains(&took), "{took:?}");
        drop(server);
        assert!(trickle.await.expect("no panic").is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn pings_in_between_do_not_extend_the_time_for_a_message() {
    let (mut server, mut client) = pair();
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        client.send(&frame(TEXT_START, b"x")).await?;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            client.send(&frame(PING, b"")).await?;
        }
        #[allow(unreachable_code)]
        std::io::Result::Ok(())
    });
    assert_eq!(refusal(server.receive().await).1, "message took too long to arrive");
    assert!(start.elapsed() < Duration::from_secs(11));
    sender.abort();
}

#[tokio::test(start_paused = true)]
async fn silence_is_asked_about_twice_and_then_ends_the_connection() {
    let (mut server, mut client) = pair();
    let start = Instant::now();
    let listening = tokio::spawn(async move {
        let mut pings = Vec::new();
        while let Ok(frame) = client.read_frame_within(Duration::from_secs(100)).await {
            pings.push((frame.first, start.elapsed().as_secs()));
        }
        pings
    });
    assert!(matches!(server.receive().await, Received::Closed));
    assert_eq!(start.elapsed().as_secs(), 75);
    drop(server);
    assert_eq!(listening.await.expect("no panic"), vec![(PING, 25), (PING, 50)]);
}

#[tokio::test(start_paused = true)]
async fn any_byte_counts_as_a_sign_of_life() {
    let (mut server, mut client) = pair();
    let alive = tokio::spawn(async move {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            client.send(&frame(PONG, b"")).await?;
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        client.send(&frame(TEXT, b"still here")).await?;
        std::io::Result::Ok(client)
    });
    assert_eq!(text(server.receive().await), "still here");
    let mut client = alive.await.expect("no panic").expect("sent");
    assert!(client.read_frame_within(Duration::from_secs(1)).await.is_err(), "no ping was needed");
}

#[tokio::test(start_paused = true)]
async fn an_answered_ping_keeps_the_connection() {
    let (mut server, mut client) = pair();
    let answering = tokio::spawn(async move {
        for _ in 0..10 {
            let ping = client.read_frame_within(Duration::from_secs(30)).await?;
            client.send(&frame(PONG, &ping.payload)).await?;
        }
        client.send(&frame(TEXT, b"done")).await?;
        std::io::Result::Ok(client)
    });
    assert_eq!(text(server.receive().await), "done");
    let _client = answering.await.expect("no panic").expect("answered");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_given_up_after_ten_seconds() {
    let (server, _client) = tokio::io::duplex(1024);
    let mut server = WebSocketTransport::new(server, Bytes::new(), WebSocketTimes::default());
    let start = Instant::now();
    assert_eq!(server.send(Bytes::from(vec![b'x'; 4096])).await, Err(Gone));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn pongs_for_a_reader_that_takes_nothing_do_not_pile_up_for_ever() {
    let (server, mut client) = {
        let (server, client) = tokio::io::duplex(4096);
        let server = WebSocketTransport::new(server, Bytes::new(), WebSocketTimes::default());
        (server, RawSocket::over(client))
    };
    let pinging = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if client.send(&frame(PING, &[0; 125])).await.is_err() {
                return;
            }
        }
    });
    let mut server = server;
    let start = Instant::now();
    assert!(matches!(server.receive().await, Received::Closed));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    drop(server);
    pinging.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn closing_says_why_and_waits_no_longer_than_a_second() {
    let (server, mut client) = pair();
    let start = Instant::now();
    server.close(CloseFrame::new(CloseCode::DeviceRemoved, "device removed")).await;
    assert!(start.elapsed() <= Duration::from_millis(1001), "{:?}", start.elapsed());
    assert_eq!(client.read_close().await.expect("an end"), Some((4001, "device removed".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_client_that_answers() {
    let (server, mut client) = pair();
    let start = Instant::now();
    let answering = tokio::spawn(async move {
        let close = client.read_close().await.expect("an end");
        client.send(&frame(CLOSE, &1012_u16.to_be_bytes())).await.expect("sent");
        close
    });
    server.close(CloseFrame::new(CloseCode::ServiceRestart, "service restart")).await;
    assert_eq!(answering.await.expect("no panic"), Some((1012, "service restart".to_owned())));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_gone() {
    let (mut server, client) = pair();
    drop(client);
    assert!(matches!(server.receive().await, Received::Closed));
    assert_eq!(server.send(Bytes::from_static(b"x")).await, Err(Gone));
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_in_messages_or_an_end_and_never_in_a_panic(
        chunks in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 1..200), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (mut server, mut client) = pair();
            for chunk in chunks {
                client.send(&chunk).await.expect("sent");
            }
            drop(client);
            while let Received::Text(_) = server.receive().await {}
            server.close(CloseFrame::new(CloseCode::Normal, "")).await;
        });
    }
}
