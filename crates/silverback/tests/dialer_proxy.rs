//! The dialer through proxies.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod authority;
mod scripted;

use std::net::SocketAddr;
use std::time::Duration;

use authority::Authority;
use http::StatusCode;
use scripted::{DEADLINE, all_of, answering, dead, dialer, echo, echoes, head, serve, silent};
use silverback::dialer::{Proxy, ProxyError, Stage, Timeouts};
use silverback::{DialError, Dialer, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

const USER_AND_PASSWORD: &str = "dXNlcjpwQHNz"; // user:p@ss

fn through(proxy: &str) -> Dialer {
    Dialer::builder().proxy(Proxy::at(proxy).unwrap()).build().unwrap()
}

fn proxy_error(error: DialError) -> ProxyError {
    assert_eq!(error.stage(), Some(Stage::Proxy), "{error:?}");
    match error {
        DialError::Proxy { source, .. } => *source,
        error => panic!("{error:?}"),
    }
}

/// A proxy that is asked by CONNECT for anything, and connects to `server`. With credentials, it wants them.
async fn http_proxy(server: SocketAddr, credentials: Option<&'static str>) -> (SocketAddr, mpsc::Receiver<String>) {
    let (heads, all_heads) = mpsc::channel(10);
    let address = serve(move |mut client| {
        let heads = heads.clone();
        async move {
            let head = head(&mut client).await;
            heads.send(head.clone()).await.unwrap();
            let is_good = credentials.is_none_or(|good| head.contains(&format!("\r\nProxy-Authorization: Basic {good}\r\n")));
            if !is_good {
                let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
                client.write_all(refusal.as_bytes()).await.unwrap();
                return;
            }
            let mut server = TcpStream::connect(server).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    })
    .await;
    (address, all_heads)
}

#[tokio::test]
async fn a_plain_websocket_goes_through_an_http_proxy_by_connect() {
    let (proxy, mut heads) = http_proxy(echo(Upgrader::default()).await, None).await;
    let dialer = through(&format!("http://{proxy}"));
    echoes(&mut dialer.connect("ws://server.test/").await.unwrap()).await;
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT server.test:80 HTTP/1.1\r\nHost: server.test:80\r\n"), "{head}");
    assert!(!head.contains("Authorization"), "{head}");
    echoes(&mut dialer.connect("ws://[::1]:5/").await.unwrap()).await;
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT [::1]:5 HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn an_http_proxy_gets_its_credentials_and_the_server_does_not() {
    let (server, mut server_heads) = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let (proxy, mut heads) = http_proxy(server, Some(USER_AND_PASSWORD)).await;
    let dialer = through(&format!("http://user:p%40ss@{proxy}")).to_builder().header("authorization", "Bearer t").build().unwrap();
    let error = dialer.connect("ws://server.test/").await.unwrap_err();
    assert!(matches!(error, DialError::Refused { .. }), "{error:?}");
    let (to_proxy, to_server) = (heads.recv().await.unwrap(), server_heads.recv().await.unwrap());
    assert!(!to_proxy.contains("Bearer"), "{to_proxy}");
    assert!(to_server.contains("\r\nauthorization: Bearer t\r\n") && !to_server.contains(USER_AND_PASSWORD), "{to_server}");
}

#[tokio::test]
async fn an_http_proxy_that_wants_other_credentials_says_so() {
    let (proxy, _heads) = http_proxy(dead().await, Some(USER_AND_PASSWORD)).await;
    for dialer in [through(&format!("http://{proxy}")), through(&format!("http://user:secret@{proxy}"))] {
        let error = dialer.connect("ws://server.test/").await.unwrap_err();
        assert!(error.to_string().contains("user:password@") && !all_of(&error).contains("secret"), "{error}");
        assert!(error.to_string().contains(&format!("http://{proxy}")) && error.to_string().contains("server.test:80"), "{error}");
        assert!(matches!(proxy_error(error), ProxyError::Credentials));
    }
}

#[tokio::test]
async fn what_an_http_proxy_answers_instead_is_named() {
    type IsNamed = fn(&ProxyError) -> bool;
    let answers: [(&str, IsNamed); 5] = [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", |error| matches!(error, ProxyError::Refused(StatusCode::FORBIDDEN))),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", |error| matches!(error, ProxyError::Refused(StatusCode::BAD_GATEWAY))),
        ("HTTP/1.1 302 Found\r\nLocation: ws://elsewhere.test/\r\n\r\n", |error| matches!(error, ProxyError::Refused(StatusCode::FOUND))),
        ("SSH-2.0\r\n\r\n", |error| matches!(error, ProxyError::Head(_))),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Injected\r\n\r\n", |error| matches!(error, ProxyError::Unasked)),
    ];
    for (answer, is_named) in answers {
        let (proxy, _heads) = answering(answer).await;
        let error = through(&format!("http://{proxy}")).connect("ws://server.test/").await.unwrap_err();
        let error = proxy_error(error);
        assert!(is_named(&error), "{answer}: {error:?}");
    }
    let hangs_up = serve(|mut stream| async move {
        head(&mut stream).await;
    });
    let error = through(&format!("http://{}", hangs_up.await)).connect("ws://server.test/").await.unwrap_err();
    assert!(matches!(proxy_error(error), ProxyError::Io(_)));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let proxy = dead().await;
    let error = through(&format!("http://{proxy}")).connect("ws://server.test/").await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Connect));
    assert!(error.to_string().contains(&proxy.to_string()), "{error}");
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_left_after_its_time() {
    let proxy = silent().await;
    let moment = Duration::from_millis(200);
    for scheme in ["http", "https", "socks5h"] {
        let dialer = through(&format!("{scheme}://{proxy}"));
        let dialer = dialer.to_builder().timeouts(Timeouts { proxy: moment, ..Timeouts::default() }).build().unwrap();
        let error = timeout(DEADLINE, dialer.connect("ws://server.test/")).await.unwrap().unwrap_err();
        assert!(matches!(error, DialError::Timeout { stage: Stage::Proxy, after } if after == moment), "{scheme}: {error:?}");
    }
}

/// A SOCKS 5 proxy that connects to `server` and tells what it was asked for. With credentials, it wants them.
async fn socks_proxy(server: SocketAddr, credentials: Option<(&'static str, &'static str)>) -> (SocketAddr, mpsc::Receiver<String>) {
    let (targets, all_targets) = mpsc::channel(10);
    let address = serve(move |mut client| {
        let targets = targets.clone();
        async move {
            let greeting = read(&mut client, 2).await;
            assert_eq!(greeting[0], 5);
            let methods = read(&mut client, greeting[1].into()).await;
            let method = if credentials.is_some() { 2 } else { 0 };
            if !methods.contains(&method) {
                client.write_all(&[5, 0xff]).await.unwrap();
                return;
            }
            client.write_all(&[5, method]).await.unwrap();
            if let Some((user, password)) = credentials {
                assert_eq!(read(&mut client, 1).await, [1]);
                let got = (text(&mut client).await, text(&mut client).await);
                let is_good = got == (user.to_owned(), password.to_owned());
                client.write_all(&[1, if is_good { 0 } else { 1 }]).await.unwrap();
                if !is_good {
                    return;
                }
            }
            assert_eq!(read(&mut client, 3).await, [5, 1, 0]);
            let host = match client.read_u8().await.unwrap() {
                1 => format!("ip {:?}", read(&mut client, 4).await),
                3 => format!("name {}", text(&mut client).await),
                kind => panic!("{kind}"),
            };
            let port = client.read_u16().await.unwrap();
            targets.send(format!("{host} {port}")).await.unwrap();
            match TcpStream::connect(server).await {
                Ok(mut server) => {
                    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
                Err(_) => client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap(),
            }
        }
    })
    .await;
    (address, all_targets)
}

async fn read(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn text(stream: &mut TcpStream) -> String {
    let size = stream.read_u8().await.unwrap();
    String::from_utf8(read(stream, size.into()).await).unwrap()
}

#[tokio::test]
async fn a_socks_proxy_is_asked_for_a_name_or_for_an_address() {
    let (proxy, mut targets) = socks_proxy(echo(Upgrader::default()).await, None).await;
    let by_name = through(&format!("socks5h://{proxy}"));
    echoes(&mut by_name.connect("ws://server.test:5/").await.unwrap()).await;
    assert_eq!(targets.recv().await.unwrap(), "name server.test 5");
    let by_address = through(&format!("socks5://{proxy}")).to_builder();
    let by_address = by_address.resolve("server.test", ["10.1.2.3:0".parse().unwrap()]).build().unwrap();
    echoes(&mut by_address.connect("ws://server.test:5/").await.unwrap()).await;
    assert_eq!(targets.recv().await.unwrap(), "ip [10, 1, 2, 3] 5");
}

#[tokio::test]
async fn a_socks_proxy_gets_its_credentials() {
    let (proxy, _targets) = socks_proxy(echo(Upgrader::default()).await, Some(("user", "p@ss"))).await;
    let dialer = through(&format!("socks5h://user:p%40ss@{proxy}"));
    echoes(&mut dialer.connect("ws://server.test/").await.unwrap()).await;
    let error = through(&format!("socks5h://user:secret@{proxy}")).connect("ws://server.test/").await.unwrap_err();
    assert!(error.to_string().contains("credentials not accepted") && !all_of(&error).contains("secret"), "{error}");
    assert!(matches!(proxy_error(error), ProxyError::Socks(_)));
    let error = through(&format!("socks5h://{proxy}")).connect("ws://server.test/").await.unwrap_err();
    assert!(matches!(proxy_error(error), ProxyError::Socks(_)));
    let long = "x".repeat(300);
    let error = through(&format!("socks5h://user:{long}@{proxy}")).connect("ws://server.test/").await.unwrap_err();
    assert!(matches!(proxy_error(error), ProxyError::TooLong));
}

#[tokio::test]
async fn the_longest_credentials_that_are_allowed_are_sent() {
    const PASSWORD: &str = concat!(
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
        "0123456789012345678901234567890" // 231, and "user" and "server.test:80" are 18
    );
    let (proxy, _targets) = socks_proxy(echo(Upgrader::default()).await, Some(("user", PASSWORD))).await;
    let dialer = through(&format!("socks5h://user:{PASSWORD}@{proxy}"));
    echoes(&mut dialer.connect("ws://server.test/").await.unwrap()).await;
    let error = dialer.connect("ws://server.test:8080/").await.unwrap_err();
    assert!(matches!(proxy_error(error), ProxyError::TooLong));
}

#[tokio::test]
async fn what_a_socks_proxy_answers_instead_is_named() {
    let (proxy, _targets) = socks_proxy(dead().await, None).await;
    let error = through(&format!("socks5h://{proxy}")).connect("ws://server.test/").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    let (web, _heads) = answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let moment = Timeouts { proxy: Duration::from_millis(200), ..Timeouts::default() };
    let dialer = through(&format!("socks5h://{web}")).to_builder().timeouts(moment).build().unwrap();
    assert_eq!(dialer.connect("ws://server.test/").await.unwrap_err().stage(), Some(Stage::Proxy));
}

#[tokio::test]
async fn the_environment_names_the_proxy_and_the_exceptions() {
    let server = echo(Upgrader::default()).await;
    let (proxy, mut heads) = http_proxy(server, None).await;
    let variables = Proxy::variables(|name| match name {
        "http_proxy" => Some(proxy.to_string()),
        "NO_PROXY" => Some("direct.test".to_owned()),
        _ => None,
    });
    let dialer = Dialer::builder().proxy(variables).resolve("direct.test", [server]).resolve("server.test", []).build().unwrap();
    echoes(&mut dialer.connect("ws://direct.test/").await.unwrap()).await;
    echoes(&mut dialer.connect(&format!("ws://{server}/")).await.unwrap()).await;
    assert!(heads.try_recv().is_err(), "the proxy was asked for what is reached directly");
    echoes(&mut dialer.connect("ws://server.test/").await.unwrap()).await;
    assert!(heads.recv().await.unwrap().starts_with("CONNECT server.test:80 "));
}

/// A process of its own has the variable, so that no other test sees it.
#[tokio::test]
async fn the_environment_is_asked_by_default() {
    const TEST: &str = "the_environment_is_asked_by_default";
    if std::env::var_os("SILVERBACK_IN_CHILD").is_some() {
        return echoes(&mut Dialer::default().connect("ws://server.test/").await.unwrap()).await;
    }
    let (proxy, mut heads) = http_proxy(echo(Upgrader::default()).await, None).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", TEST]).env("SILVERBACK_IN_CHILD", "1").env("HTTP_PROXY", proxy.to_string()).env_remove("NO_PROXY");
    let output = child.env_remove("no_proxy").kill_on_drop(true).output();
    let output = timeout(DEADLINE, output).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(heads.try_recv().unwrap().starts_with("CONNECT server.test:80 "));
}

#[tokio::test]
async fn a_variable_that_cannot_be_read_is_named() {
    let variables = Proxy::variables(|name| (name == "ALL_PROXY").then(|| "socks://user:secret@a".to_owned()));
    let dialer = Dialer::builder().proxy(variables).build().unwrap();
    let error = dialer.connect("ws://server.test/").await.unwrap_err();
    assert!(matches!(error, DialError::ProxyVariable { variable: "ALL_PROXY", .. }), "{error:?}");
    assert!(!all_of(&error).contains("secret"), "{error:?}");
}

/// Sets up TLS with each connection and then does as a plain server does.
async fn with_tls(authority: &Authority, name: &str, plain: SocketAddr) -> SocketAddr {
    let tls = authority.acceptor(name);
    serve(move |stream| {
        let tls = tls.clone();
        async move {
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let _ = copy_bidirectional(&mut stream, &mut TcpStream::connect(plain).await.unwrap()).await;
        }
    })
    .await
}

#[tokio::test]
async fn tls_goes_through_every_kind_of_proxy_and_a_proxy_may_itself_speak_tls() {
    let authority = Authority::new();
    let server = with_tls(&authority, "server.test", echo(Upgrader::default()).await).await;
    let (http, mut heads) = http_proxy(server, None).await;
    let https = with_tls(&authority, "127.0.0.1", http).await;
    let (socks, _targets) = socks_proxy(server, None).await;
    for proxy in [format!("http://{http}"), format!("https://{https}"), format!("socks5h://{socks}")] {
        let dialer = through(&proxy).to_builder().trust(authority.trust()).build().unwrap();
        echoes(&mut dialer.connect("wss://server.test/").await.unwrap()).await;
    }
    assert!(heads.recv().await.unwrap().starts_with("CONNECT server.test:443 "));
    let error = through(&format!("https://{https}")).connect("wss://server.test/").await.unwrap_err();
    assert!(matches!(proxy_error(error), ProxyError::Tls(_)), "a proxy that is not believed");
    let plain = dialer().trust(authority.trust()).resolve("server.test", [server]).build().unwrap();
    echoes(&mut plain.connect("wss://server.test/").await.unwrap()).await;
}
