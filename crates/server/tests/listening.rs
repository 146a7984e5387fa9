//! Where the server listens.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;

use client::{Client, DEADLINE, Directory, File, KEY, Request, SECRET, Server, command, run, server, token};
use rustix::process::Signal;

const CONFIGURED: &[(&str, &str)] = &[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];

/// The addresses that it says it listens on, without schemes.
fn addresses(server: &Server) -> Vec<String> {
    let said = server.stdout_with("console:"); // which comes after them
    let lines = said.lines().filter_map(|line| line.strip_prefix("listening on "));
    lines.map(|line| line.split(' ').next().unwrap().replace("http://", "")).collect()
}

fn health_by(stream: &mut (impl Read + Write)) -> String {
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_listens_on_several_addresses() {
    let server = Server::start(CONFIGURED, &["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
    let addresses = addresses(&server);
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in addresses {
        let answer = Client::connect(address.parse().unwrap()).ask(Request::new("GET", "/health/live"));
        assert_eq!(answer.status, 200, "{address}");
    }
}

#[test]
fn the_api_can_have_an_address_of_its_own_and_then_it_is_nowhere_else() {
    let file = File::new("api-listen", "api.listen = \"127.0.0.1:0\"");
    let server = Server::start(CONFIGURED, &["--config", file.path()]);
    let said = server.stdout_with("/console"); // which is said after the addresses
    assert!(said.contains(" for the API, the console and the metrics"), "{said}");
    let api: SocketAddr = addresses(&server)[1].parse().unwrap();
    assert!(said.contains(&format!("console:  http://{api}/console")), "{said}");
    let at_api = |request| Client::connect(api).ask(request);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!((server.ask(Request::new("GET", path)).status, at_api(Request::new("GET", path)).status), (200, 200), "{path}");
    }
    for path in ["/v1/sessions", "/v1/openapi.json", "/metrics", "/console", "/console/console.js"] {
        assert_eq!(at_api(server.api("GET", path)).status, 200, "{path}");
        let cure = server.ask(server.api("GET", path)).problem(404, "not-found")["cure"].to_string();
        assert!(cure.contains("api.listen"), "{cure}");
    }
    let _alice = server.join("alice");
    assert_eq!(at_api(server.api("POST", "/v1/users/alice/messages").body("hello")).json()["queued"], 1);
}

#[test]
fn a_door_for_clients_alone_closes_when_the_server_leaves_and_the_apis_stays_open() {
    let file = File::new("api-listen-stop", "api.listen = \"127.0.0.1:0\"");
    let environment = [CONFIGURED, &[("SILVERBACK_DRAIN_OVER", "1h")]].concat();
    let server = Server::start(&environment, &["--config", file.path()]);
    let api: SocketAddr = addresses(&server)[1].parse().unwrap();
    let (first, _second) = (server.join("alice"), server.join("bob"));
    server.signal(Signal::TERM);
    assert_eq!(first.closed_and_answered().0, 1012);
    Client::connect(api).ask(Request::new("GET", "/health/ready")).problem(503, "stopping");
    assert_eq!(Client::connect(api).ask(server.api("GET", "/v1/users/bob")).status, 200);
    assert!(std::net::TcpStream::connect(server.address).is_err(), "a proxy tries another server at once");
}

#[test]
fn a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let directory = Directory::new();
    let path = directory.write("socket", "");
    std::fs::remove_file(&path).unwrap();
    for (suffix, mode) in [("", 0o660), ("?mode=600", 0o600)] {
        let mut server = Server::start(CONFIGURED, &["--listen", &format!("unix:{path}{suffix}")]);
        server.stdout_with(&format!("listening on unix:{path}\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        let mut stream = UnixStream::connect(&path).unwrap();
        assert!(health_by(&mut stream).ends_with("ok\n"));
        let mut socket = UnixStream::connect(&path).unwrap();
        socket.write_all(&Request::handshake("/ws").bearer(&token("alice")).bytes()).unwrap();
        server.log_with("connected session=");
        server.signal(Signal::TERM);
        assert!(server.ended().0.success());
        assert!(!std::fs::exists(&path).unwrap());
    }
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
    let directory = Directory::new();
    let path = directory.write("socket", "no socket");
    let listen = format!("unix:{path}");
    let refused = run(CONFIGURED, &["serve", "--listen", &listen]);
    assert!(!refused.is_good && refused.stderr.contains("is there and is no socket: take it away"), "{refused:?}");

    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let refused = run(CONFIGURED, &["serve", "--listen", &listen]);
    assert!(!refused.is_good && refused.stderr.contains("somebody listens on"), "{refused:?}");

    drop(listener); // and its file stays, as after a crash
    let server = Server::start(CONFIGURED, &["--listen", &listen]);
    assert!(health_by(&mut UnixStream::connect(&path).unwrap()).ends_with("ok\n"));
    drop(server); // killed: the file stays
    assert!(std::fs::exists(&path).unwrap());

    let refused = run(CONFIGURED, &["serve", "--listen", "unix:/no/such/directory/socket"]);
    assert!(!refused.is_good && refused.stderr.contains("does its directory exist"), "{refused:?}");
}

#[test]
fn an_address_that_is_taken_is_named_with_the_cure() {
    let server = server();
    let refused = run(CONFIGURED, &["serve", "--listen", &server.address.to_string()]);
    assert!(!refused.is_good, "{refused:?}");
    assert!(refused.stderr.contains(&format!("cannot listen on {}", server.address)) && refused.stderr.contains("--listen"), "{refused:?}");
}

/// A server that is handed this socket over, as systemd does it: as descriptor 3, with variables that say so.
fn handed_over(socket: OwnedFd, name: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Server {
    let script = format!("exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec \"$@\"");
    let silverback = command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(silverback.get_program()).arg("serve").args(arguments);
    command.env_clear().envs(CONFIGURED.iter().copied()).env("SILVERBACK_LOG", "debug").envs(environment.iter().copied());
    Server::spawn(command.stdin(socket))
}

#[test]
fn whoever_connects_while_a_server_with_systemds_socket_is_restarted_waits_and_is_let_in() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || handed_over(socket.try_clone().unwrap().into(), "silverback.socket", &[("SILVERBACK_DRAIN_OVER", "0s")], &[]);
    let mut old = start();
    assert_eq!(old.address, address);
    let mut deaf = old.join("deaf"); // the old server has to wait for its answer
    old.signal(Signal::TERM);
    assert_eq!(deaf.closed().0, 1012);
    let mut waiting: Vec<_> = (0..50).map(|_| Client::connect(address)).collect();
    for client in &mut waiting {
        client.send(&Request::handshake("/ws").bearer(&token("alice")).bytes());
    }
    assert_eq!(old.ended().0.code(), Some(0));
    assert!(!old.log_so_far().contains("refused"), "{}", old.log_so_far());
    let _new = start();
    for mut client in waiting {
        assert_eq!(client.answer().status, 101);
    }
}

#[test]
fn a_socket_that_systemd_names_api_is_for_the_api() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = socket.local_addr().unwrap();
    let server = handed_over(socket.into(), "api", &[], &["--listen", "127.0.0.1:0"]);
    assert_ne!(server.address, api);
    assert_eq!(Client::connect(api).ask(server.api("GET", "/v1/sessions")).status, 200);
    server.ask(server.api("GET", "/v1/sessions")).problem(404, "not-found");
}

#[test]
fn a_socket_of_systemds_that_is_open_to_others_needs_secrets_like_any_other_address() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let silverback = command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$1\" serve", "sh"]).arg(silverback.get_program());
    let output = command.env_clear().stdin(OwnedFd::from(socket)).output().unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("can be reached from outside"), "{stderr}");
}

#[test]
fn the_service_manager_is_told_when_the_server_is_ready_and_when_it_stops() {
    let directory = Directory::new();
    let path = directory.write("notify", "");
    std::fs::remove_file(&path).unwrap();
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let told = || {
        let mut message = [0; 100];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    let mut server = Server::start(&[CONFIGURED, &[("NOTIFY_SOCKET", &path)]].concat(), &[]);
    assert_eq!(told(), "READY=1");
    server.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    assert!(server.ended().0.success());
}
