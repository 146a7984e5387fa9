//! TLS that ends in the server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::sync::Arc;
use std::time::Duration;

use client::{Directory, File, KEY, Request, SECRET, Server, run, token};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;
use silverback::dialer::Trust;
use silverback::tls::rustls::pki_types::pem::PemObject as _;
use silverback::tls::rustls::pki_types::{CertificateDer, ServerName};
use silverback::tls::rustls::version::{TLS12, TLS13};
use silverback::tls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use silverback::{Dialer, WebSocket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const CONFIGURED: &[(&str, &str)] = &[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];

/// A certificate that answers for itself, and its key, in PEM.
struct Leaf {
    cert: String,
    key: String,
}

impl Leaf {
    fn new() -> Self {
        Self::between(2020, 2099)
    }

    /// Good from the first day of one year to that of another.
    fn between(from: i32, to: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        (parameters.not_before, parameters.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        Self { cert: parameters.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn write(&self, directory: &Directory) -> (String, String) {
        (directory.write("cert.pem", &self.cert), directory.write("key.pem", &self.key))
    }

    async fn joins(&self, server: &Server, user: &str) -> Result<WebSocket, silverback::DialError> {
        let dialer = Dialer::builder().trust(Trust::pem(self.cert.as_bytes()).unwrap()).build().unwrap();
        dialer.connect(&format!("wss://{}/ws?token={}", server.address, token(user))).await
    }

    /// TLS with a client that knows these versions alone.
    async fn tls(&self, server: &Server, versions: &[&'static SupportedProtocolVersion]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(silverback::tls::rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(server.address).await.unwrap()).await
    }
}

fn serving(leaf: &Leaf, directory: &Directory, more: &str) -> Server {
    let (cert, key) = leaf.write(directory);
    let config = directory.write("silverback.toml", format!("tls = {{ cert = \"{cert}\", key = \"{key}\"{more} }}"));
    Server::start(CONFIGURED, &["--config", &config])
}

#[tokio::test]
async fn clients_and_back_ends_come_by_tls_and_the_welcome_says_so() {
    let (leaf, directory) = (Leaf::new(), Directory::new());
    let server = serving(&leaf, &directory, "");
    assert!(server.stdout_so_far().starts_with(&format!("listening on https://{}\n", server.address)));
    let mut socket = leaf.joins(&server, "alice").await.unwrap();
    let mut api = leaf.tls(&server, &[&TLS12, &TLS13]).await.unwrap();
    assert_eq!(api.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = server.api("POST", "/v1/users/alice/messages").header("Connection", "close").body("by TLS");
    api.write_all(&request.bytes()).await.unwrap();
    let mut answer = String::new();
    api.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"queued\":1"), "{answer}");
    assert_eq!(socket.recv().await.unwrap().as_text(), Some("by TLS"));
}

#[test]
fn what_a_browser_pastes_is_wss_where_tls_is_on() {
    let (leaf, directory) = (Leaf::new(), Directory::new());
    let (cert, key) = leaf.write(&directory);
    let server = Server::start(&[("SILVERBACK_TLS_CERT", &cert), ("SILVERBACK_TLS_KEY", &key)], &[]);
    let said = server.stdout_with("/ws?token=");
    assert!(said.contains(&format!("new WebSocket(\"wss://{}/ws?token=", server.address)), "{said}");
    assert!(said.contains(&format!("console:  https://{}/console#key=", server.address)), "{said}");
}

#[tokio::test]
async fn a_page_of_the_servers_own_is_one_of_https() {
    let (leaf, directory) = (Leaf::new(), Directory::new());
    let server = serving(&leaf, &directory, "");
    for (scheme, status) in [("https", "101"), ("http", "403")] {
        let mut stream = leaf.tls(&server, &[&TLS13]).await.unwrap();
        let origin = format!("{scheme}://silverback.test");
        let handshake = Request::handshake("/ws").bearer(&token("alice")).header("Origin", &origin);
        stream.write_all(&handshake.bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"), "{origin}");
    }
}

#[tokio::test]
async fn the_oldest_version_of_tls_is_configured() {
    let (leaf, directory) = (Leaf::new(), Directory::new());
    let server = serving(&leaf, &directory, "");
    let stream = leaf.tls(&server, &[&TLS12]).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2), "1.2 unless it is said");
    let server = serving(&leaf, &directory, ", min_version = \"1.3\"");
    assert!(leaf.tls(&server, &[&TLS12]).await.is_err());
    leaf.tls(&server, &[&TLS13]).await.unwrap();
}

#[tokio::test]
async fn the_next_certificate_is_shown_after_sighup_and_those_who_are_connected_stay() {
    let (old, new, directory) = (Leaf::new(), Leaf::new(), Directory::new());
    let server = serving(&old, &directory, "");
    let mut connected = old.joins(&server, "alice").await.unwrap();
    new.write(&directory);
    server.signal(Signal::HUP);
    server.log_with("the certificate was read again");
    assert!(old.joins(&server, "bob").await.is_err());
    new.joins(&server, "bob").await.unwrap();
    connected.send("still here").await.unwrap();
    server.log_with("text=\"still here\"");
}

#[tokio::test]
async fn a_certificate_that_changes_is_read_again_and_one_that_is_no_good_changes_nothing() {
    let (old, new, directory) = (Leaf::new(), Leaf::new(), Directory::new());
    let server = serving(&old, &directory, "");
    directory.write("cert.pem", &new.cert); // and the key is the old one's
    server.log_with("is not that of the first certificate");
    old.joins(&server, "alice").await.unwrap();
    directory.write("key.pem", &new.key);
    server.log_with("the certificate was read again");
    new.joins(&server, "bob").await.unwrap();
}

#[test]
fn files_that_make_no_certificate_keep_the_server_from_starting_and_are_named_with_the_cure() {
    let (leaf, other, directory) = (Leaf::new(), Leaf::new(), Directory::new());
    let (cert, key) = leaf.write(&directory);
    let file = |name: &str, text: &str| directory.write(name, text);
    for (cert, key, says) in [
        ("/no/such/cert.pem", key.as_str(), "/no/such/cert.pem cannot be read"),
        (&cert, &file("other.pem", &other.key), "is not that of the first certificate"),
        (&file("empty.pem", ""), &key, "empty.pem has no certificate"),
        (&key, &key, "has no certificate"),
        (&cert, &cert, "has no private key"),
        (&file("old.pem", &Leaf::between(2020, 2021).cert), &key, "is not that of"),
    ] {
        let file = File::new("tls", &format!("tls = {{ cert = \"{cert}\", key = \"{key}\" }}"));
        let refused = run(CONFIGURED, &["serve", "--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(!refused.is_good && refused.stderr.contains(says), "{says}: {refused:?}");
    }
    for (from, to, says) in [(2020, 2021, "has expired, on Jan  1"), (2098, 2099, "is not valid before Jan  1")] {
        let (cert, key) = Leaf::between(from, to).write(&directory);
        let refused = run(
            &[CONFIGURED, &[("SILVERBACK_TLS_CERT", &cert), ("SILVERBACK_TLS_KEY", &key)]].concat(),
            &["serve", "--listen", "127.0.0.1:0"],
        );
        assert!(!refused.is_good && refused.stderr.contains(says), "{says}: {refused:?}");
    }
    let half = run(&[CONFIGURED, &[("SILVERBACK_TLS_CERT", &cert)]].concat(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!half.is_good && half.stderr.contains("tls.cert (SILVERBACK_TLS_CERT) has no tls.key beside it: give both"), "{half:?}");
}

#[test]
fn plain_http_on_a_port_of_tls_is_told_what_to_do() {
    let (leaf, directory) = (Leaf::new(), Directory::new());
    let server = serving(&leaf, &directory, "");
    server.ask(Request::handshake("/ws")).refusal(400, "plain-http");
}

#[tokio::test]
async fn a_stop_closes_clients_that_came_by_tls_like_the_others() {
    let (leaf, directory) = (Leaf::new(), Directory::new());
    let mut server = serving(&leaf, &directory, "");
    let mut socket = leaf.joins(&server, "alice").await.unwrap();
    server.log_with("connected session=");
    server.signal(Signal::TERM);
    assert!(socket.recv().await.is_none());
    let report = tokio::time::timeout(Duration::from_secs(20), socket.close(silverback::CloseCode::NORMAL, "")).await.unwrap();
    assert!(format!("{report}").contains("1012"), "{report}");
    assert!(server.ended().0.success());
}
