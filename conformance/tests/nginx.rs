//! Silverback behind a real nginx: with the file that the guide shows, and with its lines left out.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use silverback_conformance::Sessions::Of;
use silverback_conformance::{Answer, Curl, Failure, Frame, Nginx, Opcode, Place, RawPeer, Result, Scratch, Server, installed};

const SOON: Duration = Duration::from_secs(5);

/// nginx's defaults: nothing but where to pass to.
const DEFAULTS: &str = "server {
    listen 80;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
}";

#[test]
fn the_guides_file_lets_everything_through() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let nginx = nginx_with(&guide()?, &server)?;

    assert_eq!(handshake(&nginx, &server)?.header("Origin", &origin(&nginx)).send()?.status, 101, "as a page of ours does it");
    let mut alice = connect(&nginx, &server, "alice")?;
    let delivery = server.post_text("alice", "across nginx")?;
    assert_eq!(delivery["queued"], 1, "{delivery}");
    assert_eq!(alice.message()?, whole(Opcode::Text, b"across nginx"));

    alice.send(Opcode::Ping, b"and back")?;
    assert_eq!(alice.message()?, whole(Opcode::Pong, b"and back"));

    alice.send(Opcode::Close, &1000_u16.to_be_bytes())?;
    let close = alice.message()?;
    assert_eq!((close.opcode, close.payload.get(..2)), (Opcode::Close, Some(&1000_u16.to_be_bytes()[..])));
    assert!(alice.has_ended()?, "something came after the Close frame");
    server.wait_for_sessions(Of("alice"), 0, SOON)
}

#[test]
fn an_nginx_that_is_right_is_not_blamed_for_a_plain_request() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let nginx = nginx_with(&guide()?, &server)?;
    let answer = Curl::new(&Place::Here, "GET", format!("http://{}/ws", nginx.address))?.send()?;
    assert_eq!(answer.status, 426, "{answer:?}");
    assert!(answer.body.contains("(upgrade-missing)") && answer.body.contains("x-forwarded-proto"), "{answer:?}");
    Ok(())
}

#[test]
fn the_heartbeat_keeps_a_silent_connection_past_nginxs_read_timeout() -> Result<()> {
    let server = Server::start(&Place::Here, &[("SILVERBACK_HEARTBEAT_PING_AFTER", "400ms")])?;
    let impatient = replace(&guide()?, "proxy_read_timeout 60s;", "proxy_read_timeout 1s;")?;
    let nginx = nginx_with(&impatient, &server)?;
    let mut alice = connect(&nginx, &server, "alice")?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        let ping = alice.frame()?;
        assert_eq!(ping.opcode, Opcode::Ping);
        alice.send(Opcode::Pong, &ping.payload)?;
    }
    assert_eq!(server.sessions(Of("alice"))?, 1);
    Ok(())
}

#[test]
fn without_its_proxy_set_header_lines_the_client_reads_the_cure() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let nginx = nginx_with(&without(&guide()?, "proxy_set_header")?, &server)?;
    assert_names_the_cure(&handshake(&nginx, &server)?.send()?);
    Ok(())
}

#[test]
fn without_any_one_of_the_lines_that_pass_the_upgrade_on_the_client_reads_the_cure() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    for line in ["proxy_http_version", "proxy_set_header Upgrade", "proxy_set_header Connection"] {
        let nginx = nginx_with(&without(&guide()?, line)?, &server)?;
        println!("without {line}");
        assert_names_the_cure(&handshake(&nginx, &server)?.send()?);
    }
    Ok(())
}

#[test]
fn with_nginxs_defaults_the_client_reads_the_cure() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let nginx = nginx_with(DEFAULTS, &server)?;
    assert_names_the_cure(&handshake(&nginx, &server)?.send()?);
    Ok(())
}

#[test]
fn without_its_host_line_a_page_of_ours_seems_to_be_from_elsewhere() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let nginx = nginx_with(&without(&guide()?, "proxy_set_header Host ")?, &server)?;
    let answer = handshake(&nginx, &server)?.header("Origin", &origin(&nginx)).send()?;
    assert_eq!(answer.status, 403, "{answer:?}");
    Ok(())
}

#[test]
fn where_nginx_ends_tls_a_page_of_ours_is_known_by_its_scheme() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let certificate = Scratch::new()?;
    let listen = listen_with_tls(&certificate)?;
    for (site, status) in [(guide()?, 101), (without(&guide()?, "proxy_set_header X-Forwarded-Proto ")?, 403)] {
        let nginx = nginx_with(&replace(&site, "listen 80;", &listen)?, &server)?;
        let url = format!("https://{}/ws?token={}", nginx.address, server.token("alice")?);
        let page = Curl::new(&Place::Here, "GET", url)?.option("--insecure").option("--http1.1").asking_for_a_websocket();
        let answer = page.header("Origin", &format!("https://{}", nginx.address)).send()?;
        assert_eq!(answer.status, status, "{answer:?} with\n{site}");
    }
    Ok(())
}

#[test]
fn the_guide_shows_the_file_that_is_tested() -> Result<()> {
    let text = std::fs::read_to_string(installed::source("docs/proxies/nginx.md"))?;
    let file = guide()?;
    let (_comment, directives) = file.split_once("\n\n").unwrap_or_default();
    assert!(!directives.is_empty() && text.contains(directives), "docs/proxies/nginx.md does not show this:\n{directives}");
    Ok(())
}

/// The file that users are told to take.
fn guide() -> Result<String> {
    Ok(std::fs::read_to_string(installed::source("docs/proxies/nginx.conf"))?)
}

/// Starts an nginx with this file, of which only the two addresses are changed.
fn nginx_with(site: &str, server: &Server) -> Result<Nginx> {
    Nginx::start(|address: SocketAddr| {
        let site = replace(site, "listen 80", &format!("listen {address}"))?;
        replace(&site, "http://127.0.0.1:8080;", &format!("http://{};", server.address))
    })
}

/// What to put for `listen 80;` so that nginx ends TLS, with a certificate of its own making.
fn listen_with_tls(scratch: &Scratch) -> Result<String> {
    let (certificate, key) = (scratch.path().join("certificate.pem"), scratch.path().join("key.pem"));
    let mut openssl = Command::new(installed::program("openssl")?);
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]);
    let output = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output()?;
    if !output.status.success() {
        return Err(Failure::new(format!("openssl: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let (certificate, key) = (certificate.display(), key.display());
    Ok(format!("listen 80 ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"))
}

/// `text` with its one `old` changed, so that a changed file does not pass for tested.
fn replace(text: &str, old: &str, new: &str) -> Result<String> {
    match text.matches(old).count() {
        1 => Ok(text.replace(old, new)),
        count => Err(Failure::new(format!("{old:?} is there {count} times in:\n{text}"))),
    }
}

/// `text` without the directives that begin so.
fn without(text: &str, beginning: &str) -> Result<String> {
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with(beginning)).collect();
    if kept.len() == text.lines().count() {
        return Err(Failure::new(format!("no line begins with {beginning:?} in:\n{text}")));
    }
    Ok(kept.join("\n"))
}

fn handshake(nginx: &Nginx, server: &Server) -> Result<Curl> {
    let curl = Curl::new(&Place::Here, "GET", format!("http://{}/ws?token={}", nginx.address, server.token("visitor")?))?;
    Ok(curl.asking_for_a_websocket())
}

fn connect(nginx: &Nginx, server: &Server, user: &str) -> Result<RawPeer> {
    let connected = RawPeer::connect(nginx.address, &format!("/ws?token={}", server.token(user)?));
    let peer = connected.map_err(|failure| nginx.process.failure(failure.to_string()))?;
    server.wait_for_sessions(Of(user), 1, SOON)?;
    Ok(peer)
}

fn origin(nginx: &Nginx) -> String {
    format!("http://{}", nginx.address)
}

fn whole(opcode: Opcode, payload: &[u8]) -> Frame {
    Frame { is_final: true, opcode, payload: payload.to_vec() }
}

fn assert_names_the_cure(answer: &Answer) {
    assert_eq!(answer.status, 426, "{answer:?}");
    for line in ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection \"upgrade\";"] {
        assert!(answer.body.contains(line), "the refusal does not name the cure {line:?}: {answer:?}");
    }
}
