//! TLS between the dialer and the acceptor, and what each says of the other.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod authority;
mod scripted;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, Leaf};
use scripted::{DEADLINE, answering, dialer, echo, echoes, serve, silent};
use silverback::dialer::{RedirectError, Stage, Timeouts, TlsError, Trust, TrustError};
use silverback::tls::rustls::pki_types::pem::PemObject;
use silverback::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use silverback::tls::rustls::{self, CertificateError as Bad, ClientConfig, RootCertStore, ServerConfig};
use silverback::tls::{Acceptor, Certificate, CertificateError, TlsAcceptError};
use silverback::{CloseCode, DialError, DialerBuilder, Upgrader, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// An echo server behind TLS. Why connections did not come to be comes out of the channel.
async fn tls_echo(tls: Acceptor) -> (SocketAddr, mpsc::Receiver<TlsAcceptError>) {
    let (errors, all_errors) = mpsc::channel(10);
    let address = serve(move |stream| {
        let (tls, errors) = (tls.clone(), errors.clone());
        async move {
            let stream = match tls.accept(stream).await {
                Ok(stream) => stream,
                Err(error) => return errors.send(error).await.unwrap(),
            };
            let Ok(mut socket) = Upgrader::builder().is_tls(true).build().accept(stream).await else { return };
            while let Some(message) = socket.recv().await {
                let _ = socket.send(message).await;
            }
        }
    })
    .await;
    (address, all_errors)
}

fn to(server: SocketAddr) -> DialerBuilder {
    dialer().resolve("server.test", [server])
}

async fn dial(dialer: DialerBuilder) -> Result<WebSocket, DialError> {
    timeout(DEADLINE, dialer.build().unwrap().connect("wss://server.test/")).await.unwrap()
}

fn bad_certificate(error: &DialError) -> &Bad {
    assert_eq!(error.stage(), Some(Stage::Tls), "{error:?}");
    match error {
        DialError::Tls { source, .. } => match &**source {
            TlsError::Handshake { error: rustls::Error::InvalidCertificate(bad) } => bad,
            error => panic!("{error:?}"),
        },
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_server_whose_authority_is_given_is_dialled() {
    let authority = Authority::new();
    let (server, _errors) = tls_echo(authority.acceptor("server.test")).await;
    let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    for trust in [authority.trust(), Trust::der([der]).unwrap(), Trust::config(Arc::new(client_config(&authority)))] {
        let mut socket = dial(to(server).trust(trust)).await.unwrap();
        echoes(&mut socket).await;
        let report = timeout(DEADLINE, socket.close(CloseCode::NORMAL, "")).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test]
async fn large_messages_go_through_tls_whole() {
    let authority = Authority::new();
    let (server, _errors) = tls_echo(authority.acceptor("server.test")).await;
    let mut socket = dial(to(server).trust(authority.trust())).await.unwrap();
    for size in [0, 1, 16 * 1024, 1 << 20] {
        let message = silverback::Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(timeout(DEADLINE, socket.recv()).await.unwrap(), Some(message));
    }
}

#[tokio::test]
async fn a_page_of_a_tls_servers_own_may_connect() {
    let authority = Authority::new();
    let (server, _errors) = tls_echo(authority.acceptor("server.test")).await;
    let of = |origin: &'static str| dial(to(server).trust(authority.trust()).header("origin", origin));
    echoes(&mut of("https://server.test").await.unwrap()).await;
    assert!(matches!(of("http://server.test").await.unwrap_err(), DialError::Refused { .. }));
}

#[tokio::test]
async fn a_server_that_is_not_believed_is_told_from_one_that_is_called_otherwise_and_one_that_is_out_of_date() {
    let authority = Authority::new();
    let (server, mut errors) = tls_echo(authority.acceptor("server.test")).await;
    let (again_made, _errors) = tls_echo(Authority::called("a").acceptor("server.test")).await;
    let error = dial(to(server).trust(Authority::new().trust())).await.unwrap_err();
    assert!(matches!(bad_certificate(&error), Bad::UnknownIssuer), "{error:?}");
    assert!(error.to_string().contains("server.test:443") && error.to_string().contains("give it with `trust`"), "{error}");
    let error = timeout(DEADLINE, errors.recv()).await.unwrap().unwrap();
    assert!(matches!(error, TlsAcceptError::Handshake(rustls::Error::AlertReceived(_))), "the server learns it too: {error:?}");

    let again = dial(to(again_made).trust(Authority::called("a").trust())).await.unwrap_err();
    assert!(matches!(bad_certificate(&again), Bad::BadSignature) && again.to_string().contains("another key"), "{again}");

    let error = dial(to(server)).await.unwrap_err();
    assert!(matches!(bad_certificate(&error), Bad::UnknownIssuer), "the system knows nothing of this authority: {error:?}");

    let (other, _errors) = tls_echo(authority.acceptor("other.test")).await;
    let error = dial(to(other).trust(authority.trust())).await.unwrap_err();
    assert!(matches!(bad_certificate(&error), Bad::NotValidForName | Bad::NotValidForNameContext { .. }), "{error:?}");
    assert!(error.to_string().contains("other.test") && error.to_string().contains("Dial a name that is in"), "{error}");

    let expired = Acceptor::new(authority.leaf_until("server.test", 2020).certificate()).unwrap();
    let (expired, _errors) = tls_echo(expired).await;
    let error = dial(to(expired).trust(authority.trust())).await.unwrap_err();
    assert!(matches!(bad_certificate(&error), Bad::Expired | Bad::ExpiredContext { .. }), "{error:?}");
    assert!(error.to_string().contains("Renew"), "{error}");
}

#[tokio::test]
async fn tls_to_a_port_that_does_not_speak_it_says_what_to_dial() {
    let error = dial(to(echo(Upgrader::default()).await)).await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Tls));
    assert!(error.to_string().contains("use ws:// instead of wss://"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_tls_is_left_after_its_time() {
    let moment = Duration::from_millis(200);
    let error = dial(to(silent().await).timeouts(Timeouts { tls: moment, ..Timeouts::default() })).await.unwrap_err();
    assert!(matches!(error, DialError::Timeout { stage: Stage::Tls, after } if after == moment), "{error:?}");
}

/// A server that has one protocol only, and tells which one was agreed on.
async fn speaking(protocol: &'static [u8], leaf: &Leaf) -> (SocketAddr, mpsc::Receiver<Option<Vec<u8>>>) {
    let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let (agreed, all_agreed) = mpsc::channel(10);
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let address = serve(move |stream| {
        let (tls, agreed) = (tls.clone(), agreed.clone());
        async move {
            let Ok(mut stream) = tls.accept(stream).await else { return };
            agreed.send(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)).await.unwrap();
            let _ = stream.read_u8().await;
        }
    })
    .await;
    (address, all_agreed)
}

#[tokio::test]
async fn http_1_1_is_what_is_agreed_on_or_nothing() {
    let authority = Authority::new();
    let leaf = authority.leaf("server.test");
    let moment = Timeouts { handshake: Duration::from_millis(200), ..Timeouts::default() };
    let (server, mut agreed) = speaking(b"http/1.1", &leaf).await;
    dial(to(server).trust(authority.trust()).timeouts(moment)).await.unwrap_err();
    assert_eq!(agreed.recv().await.unwrap().as_deref(), Some(&b"http/1.1"[..]));

    let (server, _agreed) = speaking(b"h2", &leaf).await;
    let error = dial(to(server).trust(authority.trust())).await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Tls), "{error:?}");
    let mut config = client_config(&authority);
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let error = dial(to(server).trust(Trust::config(Arc::new(config)))).await.unwrap_err();
    assert!(matches!(&error, DialError::Tls { source, .. } if matches!(**source, TlsError::Protocol)), "{error:?}");

    let (server, _errors) = tls_echo(authority.acceptor("server.test")).await;
    let mut config = client_config(&authority);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    echoes(&mut dial(to(server).trust(Trust::config(Arc::new(config)))).await.unwrap()).await;
}

fn client_config(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth()
}

#[tokio::test]
async fn a_redirect_never_leads_from_tls_to_the_clear() {
    let authority = Authority::new();
    let (plain, mut heads) = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    for scheme in ["ws", "http"] {
        let tls = authority.acceptor("server.test");
        let location = format!("{scheme}://{plain}/");
        let server = serve(move |stream| {
            let (tls, location) = (tls.clone(), location.clone());
            async move {
                let mut stream = tls.accept(stream).await.unwrap();
                scripted::head(&mut stream).await;
                stream.write_all(format!("HTTP/1.1 301 Moved\r\nLocation: {location}\r\n\r\n").as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                let _ = stream.read_u8().await;
            }
        })
        .await;
        let error = dial(to(server).trust(authority.trust())).await.unwrap_err();
        assert!(matches!(error, DialError::Redirect(RedirectError::Downgrade { .. })), "{error:?}");
    }
    assert!(heads.try_recv().is_err(), "the redirect was followed");
}

#[tokio::test]
async fn a_redirect_may_lead_from_the_clear_to_tls() {
    let authority = Authority::new();
    let (server, _errors) = tls_echo(authority.acceptor("server.test")).await;
    let (plain, _heads) = answering("HTTP/1.1 301 Moved\r\nLocation: https://server.test/\r\n\r\n").await;
    let dialer = to(server).trust(authority.trust()).build().unwrap();
    echoes(&mut dialer.connect(&format!("ws://{plain}/")).await.unwrap()).await;
}

#[test]
fn what_is_no_authority_is_refused() {
    assert!(matches!(Trust::pem(b"").unwrap_err(), TrustError::Empty));
    assert!(matches!(Trust::pem(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap_err(), TrustError::Pem(_)));
    assert!(matches!(Trust::der([CertificateDer::from_slice(b"x")]).unwrap_err(), TrustError::Certificate(_)));
}

#[tokio::test]
async fn a_certificate_is_replaced_under_living_connections() {
    let (first, second) = (Authority::new(), Authority::new());
    let acceptor = first.acceptor("server.test");
    let (server, _errors) = tls_echo(acceptor.clone()).await;
    let mut before = dial(to(server).trust(first.trust())).await.unwrap();
    echoes(&mut before).await;

    acceptor.replace(second.leaf("server.test").certificate());
    let mut after = dial(to(server).trust(second.trust())).await.unwrap();
    echoes(&mut after).await;
    echoes(&mut before).await;
    assert!(dial(to(server).trust(first.trust())).await.is_err(), "the old certificate is still shown");
    for socket in [before, after] {
        assert!(timeout(DEADLINE, socket.close(CloseCode::NORMAL, "")).await.unwrap().is_clean());
    }
}

/// Files that are gone when the test is over.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("silverback-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, content).unwrap();
        file
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_that_make_no_certificate_are_named_with_the_cure() {
    let files = Files::new("certificates");
    let Leaf { certificate, key } = Authority::new().leaf("a.test");
    let good = (files.write("chain.pem", &certificate), files.write("key.pem", &key));
    Certificate::from_files(&good.0, &good.1).unwrap();
    let empty = files.write("empty.pem", "");
    let other_key = files.write("other.pem", &Authority::new().leaf("a.test").key);
    let encrypted = files.write("encrypted.pem", &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    let old_encrypted =
        files.write("old.pem", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
    let broken = files.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let broken_key = files.write("broken-key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let missing = files.0.join("missing.pem");
    type IsRight = fn(&CertificateError) -> bool;
    let cases: [(&PathBuf, &PathBuf, &PathBuf, &str, IsRight); 9] = [
        (&missing, &good.1, &missing, "is the path right", |e| matches!(e, CertificateError::Read { .. })),
        (&good.0, &missing, &missing, "is the path right", |e| matches!(e, CertificateError::Read { .. })),
        (&empty, &good.1, &empty, "BEGIN CERTIFICATE", |e| matches!(e, CertificateError::NoCertificate { .. })),
        (&good.1, &good.1, &good.1, "BEGIN CERTIFICATE", |e| matches!(e, CertificateError::NoCertificate { .. })),
        (&good.0, &empty, &empty, "BEGIN PRIVATE KEY", |e| matches!(e, CertificateError::NoKey { .. })),
        (&good.0, &other_key, &other_key, "the same request", |e| matches!(e, CertificateError::Mismatch { .. })),
        (&good.0, &encrypted, &encrypted, "openssl pkey", |e| matches!(e, CertificateError::EncryptedKey { .. })),
        (&good.0, &old_encrypted, &old_encrypted, "openssl pkey", |e| matches!(e, CertificateError::EncryptedKey { .. })),
        (&good.0, &broken_key, &broken_key, "malformed", |e| matches!(e, CertificateError::Malformed { .. })),
    ];
    for (chain, key, named, cure, is_right) in cases {
        let error = Certificate::from_files(chain, key).unwrap_err();
        assert!(is_right(&error), "{error:?}");
        assert!(error.to_string().contains(named.to_str().unwrap()) && error.to_string().contains(cure), "{error}");
    }
    let error = Certificate::from_files(&broken, &good.1).unwrap_err();
    assert!(error.to_string().contains("broken.pem"), "{error}");
    assert!(!format!("{:?}", Certificate::from_files(&good.0, &good.1).unwrap()).contains("BEGIN"));
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_what_to_do() {
    let (server, mut errors) = tls_echo(Authority::new().acceptor("server.test")).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000)).as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain") && answer.contains("this port speaks TLS"), "{answer}");
    assert!(answer.contains("use wss:// instead of ws://"), "{answer}");
    drop(stream);
    assert!(matches!(timeout(DEADLINE, errors.recv()).await.unwrap().unwrap(), TlsAcceptError::PlainHttp(_)));

    let error = dialer().build().unwrap().connect(&format!("ws://{server}/")).await.unwrap_err();
    assert!(error.to_string().contains("this port speaks TLS"), "{error}");
}

#[tokio::test]
async fn what_is_neither_tls_nor_http_is_dropped() {
    let (server, mut errors) = tls_echo(Authority::new().acceptor("server.test")).await;
    for (bytes, is_not_tls) in [(&[0u8, 1, 2][..], true), (&[0x16, 9, 9, 9, 9, 9, 9], false), (&[], false)] {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let error = timeout(DEADLINE, errors.recv()).await.unwrap().unwrap();
        assert_eq!(matches!(error, TlsAcceptError::NotTls), is_not_tls, "{bytes:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_go_on_with_its_handshake_is_left_after_its_time() {
    let acceptor = Authority::new().acceptor("server.test").handshake_timeout(Duration::from_secs(3));
    for bytes in [&[][..], &[0x16], &[0x16, 3, 1, 1, 0]] {
        let (ours, mut theirs) = duplex(1024);
        let began = Instant::now();
        theirs.write_all(bytes).await.unwrap();
        let error = acceptor.accept(ours).await.unwrap_err();
        assert!(matches!(error, TlsAcceptError::Timeout(_)), "{error:?}");
        assert_eq!(began.elapsed().as_secs(), 3);
        drop(theirs);
    }
}
