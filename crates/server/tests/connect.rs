//! `silverback connect`: in pipes, on a terminal, and with servers that mean no good.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod connect_with;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use client::{Directory, Server, command, server, token};
use connect_with::{Peer, Terminal, piped};
use silverback::wire::handshake::server::Policy;
use silverback::wire::handshake::{HeadReader, encode_response};
use silverback::{CloseCode, Message};

fn echo() -> Server {
    Server::spawn(command(&[]).args(["echo", "--listen", "127.0.0.1:0"]))
}

fn address(server: &Server) -> String {
    format!("ws://{}/", server.address)
}

#[test]
fn each_line_of_a_pipe_is_a_message_and_each_answer_is_a_line() {
    let echo = echo();
    let run = piped(&["connect", &address(&echo), "--count", "3", "--wait", "forever"], b"hi\n\n/quit {\"a\":1}\n");
    assert_eq!((run.code, run.stdout_text(), run.stderr.as_str()), (Some(0), "hi\n\n/quit {\"a\":1}\n", ""));
}

#[test]
fn without_a_count_it_ends_when_nothing_more_comes() {
    let echo = echo();
    let run = piped(&["connect", &address(&echo), "--wait", "300ms"], b"hi\n");
    assert_eq!((run.code, run.stdout_text(), run.stderr.as_str()), (Some(0), "hi\n", ""));
}

#[test]
fn all_of_a_pipe_can_be_one_message_and_bytes_come_back_as_they_were() {
    let echo = echo();
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let run = piped(&["connect", &address(&echo), "--binary", "--compress", "--count", "1"], &bytes);
    assert!(run.code == Some(0) && run.stdout == bytes, "{:?} {}", run.code, run.stderr);
    let run = piped(&["connect", &address(&echo), "--one-message", "--count", "1"], b"a\nb\n");
    assert_eq!((run.code, run.stdout_text()), (Some(0), "a\nb\n\n"));
}

#[test]
fn what_cannot_be_sent_is_named_and_the_command_fails() {
    let echo = echo();
    let run = piped(&["connect", &address(&echo)], b"good\n\xff\n");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("line 2 of standard input is not UTF-8") && run.stderr.contains("--binary"), "{}", run.stderr);
}

#[test]
fn a_refusal_is_told_with_its_cause_and_cure() {
    let server = server();
    let url = format!("ws://{}/ws?token=hidden-in-the-query", server.address);
    let run = piped(&["connect", "-v", &url], b"");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    for part in
        ["refused with 401 Unauthorized", "\n  cause    token-", "\n  cure     ", "GET /ws?token=(masked) HTTP/1.1", "← HTTP/1.1 401"]
    {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    assert!(!run.stderr.contains("hidden"), "{}", run.stderr);
}

#[test]
fn a_token_opens_the_door_and_is_not_shown() {
    let server = server();
    let token = token("alice");
    let url = format!("ws://{}/ws", server.address);
    let run = piped(&["connect", "-vv", "--token", &token, "--subprotocol", "silverback", "--wait", "0s", &url], b"");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in ["connecting by TCP", "the WebSocket handshake", "uthorization: Bearer (masked)", "← HTTP/1.1 101", "as silverback", "→ "]
    {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    assert!(run.stderr.contains("close fin masked 2 B 1000") && run.stderr.contains("closed here with 1000"), "{}", run.stderr);
    assert!(!run.stderr.contains(&token), "{}", run.stderr);
}

#[test]
fn where_nothing_listens_it_fails_and_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = piped(&["connect", &format!("ws://127.0.0.1:{port}/")], b"hi\n");
    assert_eq!((run.code, run.stdout_text()), (Some(1), ""));
    assert!(run.stderr.contains("Nothing listens there"), "{}", run.stderr);
}

#[test]
fn a_close_by_the_server_is_told_in_words_and_cannot_drive_the_terminal() {
    let peer = Peer::start(|_, socket| async move {
        socket.close(CloseCode::new(4001).unwrap(), "go \x1b[31maway").await;
    });
    let run = piped(&["connect", &peer.url(), "--wait", "forever"], b"");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("closed by the server with 4001 \"go \\x1b[31maway\": a code of the application's own"), "{}", run.stderr);
}

#[test]
fn a_normal_close_by_the_server_is_a_success() {
    let peer = Peer::start(|_, mut socket| async move {
        socket.send("that was all").await.unwrap();
        socket.close(CloseCode::NORMAL, "").await;
    });
    let run = piped(&["connect", &peer.url(), "--wait", "forever"], b"");
    assert_eq!((run.code, run.stdout_text(), run.stderr.as_str()), (Some(0), "that was all\n", ""));
}

#[test]
fn it_connects_again_when_the_server_says_when() {
    let peer = Peer::start(|number, mut socket| async move {
        match number {
            0 => drop(socket), // lost
            1 => drop(socket.close(CloseCode::SERVICE_RESTART, "{\"reason\":\"restarting\",\"retry_ms\":120}").await),
            _ => {
                socket.send("here again").await.unwrap();
                socket.close(CloseCode::NORMAL, "").await;
            }
        }
    });
    let run = piped(&["connect", &peer.url(), "--reconnect", "--wait", "forever"], b"");
    assert_eq!((run.code, run.stdout_text()), (Some(0), "here again\n"), "{}", run.stderr);
    assert!(run.stderr.contains("the service is restarting") && run.stderr.contains("trying again in 120.0ms"), "{}", run.stderr);
}

#[test]
fn without_reconnect_a_lost_connection_is_a_failure() {
    let peer = Peer::start(|_, socket| async move { drop(socket) });
    let run = piped(&["connect", &peer.url(), "--wait", "forever"], b"");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
}

#[test]
fn binary_messages_become_files_and_none_is_written_over() {
    let peer = Peer::start(|_, mut socket| async move {
        for message in [Message::binary(vec![1]), Message::from("text"), Message::binary(vec![2, 2])] {
            socket.send(message).await.unwrap();
        }
        socket.close(CloseCode::NORMAL, "").await;
    });
    let directory = Directory::new();
    directory.write("0001.bin", "mine");
    let run = piped(&["connect", &peer.url(), "--wait", "forever", "--output", directory.path()], b"");
    assert_eq!((run.code, run.stdout_text()), (Some(0), "text\n"), "{}", run.stderr);
    let file = |name: &str| std::fs::read(format!("{}/{name}", directory.path())).unwrap();
    assert_eq!((file("0001.bin"), file("0002.bin"), file("0003.bin")), (b"mine".to_vec(), vec![1], vec![2, 2]));
}

#[test]
fn pings_are_sent_and_their_pongs_timed() {
    let echo = echo();
    let run = piped(&["connect", &address(&echo), "--ping", "20ms", "--wait", "500ms"], b"");
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("pong in "), "{}", run.stderr);
}

#[test]
fn a_count_is_a_number_above_0() {
    for count in ["banana", "0", "-1"] {
        let failed = client::run(&[], &["connect", "ws://127.0.0.1:1", &format!("--count={count}")]);
        assert!(!failed.is_good && failed.stderr.contains("write a number above 0"), "{failed:?}");
    }
}

#[test]
fn on_a_terminal_messages_come_above_the_line_that_is_typed() {
    let (echo, home) = (echo(), Directory::new());
    let mut terminal = Terminal::start(&["connect", &address(&echo)], home.path());
    terminal.wait_for("/help tells the commands");
    terminal.wait_for("› ");
    terminal.type_in("hello\r");
    terminal.wait_for("‹ \x1b[0mhello");
    terminal.type_in("{\"a\":\r[1,2]}\r"); // goes on while a bracket is open
    terminal.wait_for("\x1b[36m\"a\"");
    terminal.type_in("/hex 00 ff 41\r");
    terminal.wait_for("000000  00 ff 41"); // the answer, not what was typed
    terminal.type_in("/ping\r");
    terminal.wait_for("pong in ");
    terminal.type_in("/pong\r");
    terminal.wait_for("/ping was meant");
    terminal.type_in("//slash\r");
    terminal.wait_for("‹ \x1b[0m/slash");
    terminal.type_in(" not kept\r");
    terminal.wait_for("‹ \x1b[0m not kept");
    terminal.type_in("\x04"); // Ctrl-D
    assert_eq!(terminal.ended(), Some(0));
    assert!(terminal.is_as_before());
    let history = home.path().to_owned() + "/.local/state/silverback/connect-history";
    assert_eq!(std::fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
    let history = std::fs::read_to_string(history).unwrap();
    assert!(history.contains("hello") && history.contains("/ping") && !history.contains("not kept"), "{history}");
}

#[test]
fn a_hostile_server_does_not_drive_the_terminal() {
    let peer = Peer::start(|_, mut socket| async move {
        socket.send("\x1b]0;owned\x07\u{9b}2J\r\n\u{202e}end").await.unwrap();
        socket.send("{\"\u{9b}2J\": \"\u{202e}\"}").await.unwrap();
        socket.send(vec![0x1b, b'[', b'2', b'J']).await.unwrap();
        while socket.recv().await.is_some() {}
    });
    let home = Directory::new();
    let mut terminal = Terminal::start(&["connect", "--no-history", &peer.url()], home.path());
    terminal.wait_for("1b 5b 32 4a");
    let seen = terminal.seen();
    assert!(seen.contains("\\x1b") && seen.contains("]0;owned") && seen.contains("\\x9b"), "{seen:?}");
    assert!(!seen.contains("\x1b]") && !seen.contains("\x1b[2J") && !seen.contains(['\u{9b}', '\x07', '\u{202e}']), "{seen:?}");
    terminal.wait_for("› "); // from here on, Ctrl-C is a key
    terminal.type_in("\x03");
    assert_eq!(terminal.ended(), Some(0));
    assert!(!std::path::Path::new(&(home.path().to_owned() + "/.local")).exists());
}

#[test]
fn the_end_of_the_connection_ends_the_command_while_a_line_is_typed() {
    let peer = Peer::start(|_, mut socket| async move {
        socket.recv().await.unwrap();
        socket.close(CloseCode::GOING_AWAY, "").await;
    });
    let home = Directory::new();
    let mut terminal = Terminal::start(&["connect", "--no-history", &peer.url()], home.path());
    terminal.wait_for("› ");
    terminal.type_in("go\rhalf a li");
    assert_eq!(terminal.ended(), Some(1));
    assert!(terminal.is_as_before());
    terminal.wait_for("closed by the server with 1001: going away");
}

/// Sends pings without end to one client, and answers its Close.
fn pinging() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, mut head) = (listener.accept().unwrap().0, HeadReader::new(16 * 1024));
        while !head.buffer().ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.buffer().extend_from_slice(&byte);
        }
        let length = head.buffer().len();
        let (request, _) = head.finish(length).unwrap();
        stream.write_all(&encode_response(&Policy::default().judge(&request).unwrap().response)).unwrap();
        let mut reader = stream.try_clone().unwrap();
        thread::spawn(move || while stream.write_all(&b"\x89\x02hi".repeat(1000)).is_ok() {});
        while opcode(&mut reader) != 8 {}
        let _ = reader.shutdown(std::net::Shutdown::Both);
    });
    address
}

/// That of the next frame, which is a control frame of a client.
fn opcode(stream: &mut TcpStream) -> u8 {
    let mut start = [0; 2];
    stream.read_exact(&mut start).unwrap();
    stream.read_exact(&mut vec![0; usize::from(start[1] & 0x7f) + 4]).unwrap();
    start[0] & 0xf
}

#[test]
fn pings_without_end_do_not_keep_it_from_ending() {
    let run = piped(&["connect", "-vv", &format!("ws://{}/", pinging()), "--wait", "100ms"], b"");
    assert!(run.code == Some(1) && run.stderr.contains("ping fin 2 B"), "{:?}", run.code);
}
