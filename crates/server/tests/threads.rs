//! Threads with tables of descriptors of their own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::process::Command;

use client::{BackEnd, Directory, Frame, KEY, Request, SECRET, Server, command, hooked, run, taken};
use rustix::process::Signal;

const FILES: usize = 256;

/// What the process itself needs, and the runtimes of three more threads.
const OWN: usize = 64 + 3 * 4;

/// What one table has room for, a quarter being for first requests and an eighth for plain HTTP.
const OF_A_TABLE: usize = (FILES - OWN) - (FILES - OWN) / 4 - (FILES - OWN) / 8;

/// A server that may have few files open, on four threads.
fn server(own_descriptors: &str) -> Server {
    let plain = command(&[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {FILES} && exec \"$@\""), "sh"]).arg(plain.get_program());
    limited.args(["serve", "--listen", "127.0.0.1:0"]);
    limited.envs([("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY), ("SILVERBACK_DRAIN_OVER", "0s")]);
    limited.envs([
        ("SILVERBACK_LOG", "trace"),
        ("SILVERBACK_RUNTIME_THREADS", "4"),
        ("SILVERBACK_RUNTIME_OWN_DESCRIPTORS", own_descriptors),
    ]);
    Server::spawn(&mut limited)
}

#[test]
fn each_thread_has_the_limit_of_open_files_for_itself() {
    let mut server = server("true");
    assert!(server.log_so_far().contains(&format!("clients={}", 4 * OF_A_TABLE)), "{}", server.log_so_far());
    let mut clients: Vec<_> = (0..OF_A_TABLE * 2).map(|number| server.join(&format!("user-{number}"))).collect();

    let all = server.api("POST", "/v1/messages").header("Content-Type", "application/json");
    let delivery = server.ask(all.body(r#"{"to":"everyone","message":{"text":"hello, everyone"}}"#)).json();
    assert_eq!(delivery["queued"], clients.len(), "{delivery}");
    for client in &mut clients {
        assert_eq!(client.recv(), Frame::Text("hello, everyone".to_owned()));
    }

    server.signal(Signal::TERM);
    let count = clients.len();
    for client in clients {
        assert_eq!(client.closed_and_answered().0, 1012);
    }
    let (status, _, log) = server.ended();
    assert!(status.success(), "{status}: {log}");
    assert_eq!(log.matches(" ended session=").count(), count);
}

#[test]
fn each_thread_talks_to_the_back_end() {
    let back_end = BackEnd::start(|hook| match hook.kind() {
        "message" => Some((200, "text/plain", hook.text().to_uppercase().into_bytes())),
        _ => Some(taken()),
    });
    let spool = Directory::new();
    let server = hooked(&format!("[runtime]\nthreads = 4\nown_descriptors = true\n{}", back_end.configuration("")), &spool);
    let mut clients: Vec<_> = (0..32).map(|number| server.join(&format!("user-{number}"))).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.text(&format!("message {number}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.recv(), Frame::Text(format!("MESSAGE {number}")));
        client.close(1000, "");
    }
    assert_eq!(back_end.wait_for("ended", clients.len()).len(), clients.len());
}

#[test]
fn without_tables_of_their_own_all_threads_share_the_limit() {
    let server = server("false");
    assert!(server.log_so_far().contains(&format!("clients={OF_A_TABLE}")), "{}", server.log_so_far());
    let _clients: Vec<_> = (0..OF_A_TABLE).map(|number| server.join(&format!("user-{number}"))).collect();
    server.ask(Request::handshake("/ws").bearer(&client::token("one-too-many"))).refusal(503, "too-many-connections");
}

#[test]
fn an_address_that_another_process_listens_on_is_not_shared_with_it() {
    let server = server("true");
    let environment = [("SILVERBACK_RUNTIME_THREADS", "2"), ("SILVERBACK_RUNTIME_OWN_DESCRIPTORS", "true")];
    let second = run(&environment, &["serve", "--listen", &server.address.to_string()]);
    assert!(!second.is_good && second.stderr.contains("choose another address"), "{second:?}");
}
