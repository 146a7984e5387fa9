//! Silverback behind real proxies, each with the file that its guide shows.

mod guide;

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use guide::mistakes::Mistake::{NoUpgrade, OldHttp, SmallHead};
use guide::mistakes::impatient;
use guide::{Guide, behind_each, connect, handshake, replace, without};
use silverback_conformance::Sessions::Of;
use silverback_conformance::{Authority, Curl, Frame, Issued, Opcode, Place, ProxyKind, RawPeer, Result, Server, eventually, installed};

const SOON: Duration = Duration::from_secs(5);

/// What Silverback's refusals call it when an upgrade does not arrive.
const DROPPED: &str = "(proxy-dropped-upgrade)";
const STRIPPED: &str = "(upgrade-stripped)";

#[test]
fn the_guides_file_lets_everything_through() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let user = format!("alice-behind-{:?}", guide.kind);
        let mut alice = connect(&proxy, &server, &user)?;
        let delivery = server.post_text(&user, "across")?;
        assert_eq!(delivery["queued"], 1, "{delivery}");
        assert_eq!(alice.message()?, whole(Opcode::Text, b"across"));

        let large = "x".repeat(100_000);
        server.post_text(&user, &large)?;
        assert_eq!(alice.message()?, whole(Opcode::Text, large.as_bytes()));

        alice.send(Opcode::Ping, b"and back")?;
        assert_eq!(alice.message()?, whole(Opcode::Pong, b"and back"));

        alice.send(Opcode::Close, &1000_u16.to_be_bytes())?;
        let close = alice.message()?;
        assert_eq!((close.opcode, close.payload.get(..2)), (Opcode::Close, Some(&1000_u16.to_be_bytes()[..])));
        assert!(alice.has_ended()?, "something came after the Close frame");
        server.wait_for_sessions(Of(&user), 0, SOON)
    })
}

#[test]
fn a_proxy_that_is_right_is_not_blamed_for_a_plain_request() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let answer = Curl::new(&Place::Here, "GET", format!("http://{}/ws", proxy.address))?.send()?;
        assert_eq!(answer.status, 426, "{answer:?}");
        assert!(answer.body.contains("(upgrade-missing)") && answer.body.contains("x-forwarded-"), "{answer:?}");
        Ok(())
    })
}

#[test]
fn the_heartbeat_keeps_a_silent_connection_past_the_proxys_time_out() -> Result<()> {
    let server = Server::start(&Place::Here, &[("SILVERBACK_HEARTBEAT_PING_AFTER", "300ms")])?;
    behind_each(|guide| {
        let proxy = guide.proxy_with(&impatient(guide, "2s")?, &server)?;
        let user = format!("alice-behind-{:?}", guide.kind);
        let mut alice = RawPeer::connect(proxy.address, &format!("/ws?token={}", server.token(&user)?))?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(4) {
            let ping = alice.frame()?;
            assert_eq!(ping.opcode, Opcode::Ping);
            alice.send(Opcode::Pong, &ping.payload)?;
        }
        assert_eq!(server.sessions(Of(&user))?, 1);
        Ok(())
    })
}

#[test]
fn without_a_heartbeat_the_proxys_time_out_ends_a_silent_connection() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?; // its first ping is 20 s away
    behind_each(|guide| {
        let proxy = guide.proxy_with(&impatient(guide, "1s")?, &server)?;
        let mut alice = connect(&proxy, &server, &format!("alice-behind-{:?}", guide.kind))?;
        assert!(alice.has_ended()?, "a frame came");
        Ok(())
    })
}

#[test]
fn a_client_is_known_by_its_own_address_where_the_proxy_is_trusted() -> Result<()> {
    let server = Server::start(&Place::Here, &[("SILVERBACK_PROXIES_TRUSTED", "127.0.0.1")])?;
    let alices = IpAddr::from(Ipv4Addr::new(127, 0, 0, 2));
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let user = format!("alice-behind-{:?}", guide.kind);
        let _alice = RawPeer::connect_from(alices, proxy.address, &format!("/ws?token={}", server.token(&user)?))?;
        server.wait_for_sessions(Of(&user), 1, SOON)?;
        let sessions = server.api("GET", &format!("/v1/users/{user}"))?.send()?.json()?;
        assert_eq!(sessions["sessions"][0]["remote"], "127.0.0.2:0", "{sessions}");
        Ok(())
    })
}

#[test]
fn an_address_that_a_client_makes_up_is_not_believed() -> Result<()> {
    let server = Server::start(&Place::Here, &[("SILVERBACK_PROXIES_TRUSTED", "127.0.0.1")])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let user = format!("mallory-behind-{:?}", guide.kind);
        let url = format!("http://{}/ws?token={}", proxy.address, server.token(&user)?);
        let from = Curl::new(&Place::Here, "GET", url)?.option("--interface").option("127.0.0.2").asking_for_a_websocket();
        assert_eq!(from.header("X-Forwarded-For", "198.51.100.7").send()?.status, 101);
        let ended = eventually(SOON, "the end of the session", || {
            let sessions = server.api("GET", &format!("/v1/sessions?state=ended&user={user}"))?.send()?.json()?;
            Ok(sessions["sessions"].get(0).cloned())
        })?;
        assert_eq!(ended["remote"], "127.0.0.2:0", "{ended}");
        Ok(())
    })
}

#[test]
fn a_page_is_known_by_its_origin_and_that_of_a_stranger_refused() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        for (origin, status) in [(format!("http://{}", proxy.address), 101), ("http://elsewhere.example".to_owned(), 403)] {
            assert_eq!(handshake(&proxy, &server)?.header("Origin", &origin).send()?.status, status, "for a page of {origin}");
        }
        Ok(())
    })
}

#[test]
fn where_the_proxy_ends_tls_a_page_is_known_by_its_scheme() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let authority = Authority::new()?;
    let issued = authority.issue()?;
    behind_each(|guide| {
        let site = guide.text()?;
        assert_eq!(status_by_tls(guide, &site, &server, &authority, &issued)?, 101);
        let scheme = match guide.kind {
            ProxyKind::Nginx => "proxy_set_header X-Forwarded-Proto ",
            ProxyKind::HaProxy => "http-request set-header X-Forwarded-Proto ",
            ProxyKind::Caddy => return Ok(()), // which says it by itself
            ProxyKind::Apache => "RequestHeader set X-Forwarded-Proto ",
        };
        assert_eq!(status_by_tls(guide, &without(&site, scheme)?, &server, &authority, &issued)?, 403, "without {scheme}");
        Ok(())
    })
}

#[test]
fn where_the_host_is_not_passed_on_a_page_of_ours_seems_to_be_from_elsewhere() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    for (guide, line) in [(Guide::NGINX, "proxy_set_header Host "), (Guide::APACHE, "ProxyPreserveHost On")] {
        let proxy = guide.proxy_with(&without(&guide.text()?, line)?, &server)?;
        let answer = handshake(&proxy, &server)?.header("Origin", &format!("http://{}", proxy.address)).send()?;
        assert_eq!(answer.status, 403, "{answer:?} without {line}");
        assert!(answer.body.contains(line), "the refusal does not name the cure: {answer:?} without {line}");
    }
    Ok(())
}

#[test]
fn each_mistake_is_answered_as_the_pages_say() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let cookie = format!("session={}", "x".repeat(guide.small_head()));
        for (mistake, status, cause) in match guide.kind {
            ProxyKind::Nginx => [(NoUpgrade, 426, DROPPED), (OldHttp, 426, DROPPED), (SmallHead, 400, "Header Or Cookie Too Large")],
            ProxyKind::HaProxy => {
                [(NoUpgrade, 426, STRIPPED), (OldHttp, 503, "No server is available"), (SmallHead, 400, "an invalid request")]
            }
            ProxyKind::Caddy => [(NoUpgrade, 426, STRIPPED), (OldHttp, 502, ""), (SmallHead, 431, "431 Request Header Fields Too Large")],
            ProxyKind::Apache => {
                [(NoUpgrade, 426, STRIPPED), (OldHttp, 426, DROPPED), (SmallHead, 400, "header field exceeds server limit")]
            }
        } {
            let proxy = guide.proxy_with(&mistake.in_the_file_of(guide)?, &server)?;
            let answer = handshake(&proxy, &server)?.header("Cookie", &cookie).send()?;
            let is_apaches = guide.kind == ProxyKind::Apache && answer.status == 426;
            assert!(!is_apaches || answer.body.contains("ProxyPass / http://127.0.0.1:8080/ upgrade=websocket"), "{answer:?}");
            assert_eq!(answer.status, status, "{mistake:?}: {answer:?}");
            assert!(answer.body.contains(cause), "{mistake:?}: {answer:?}");
        }
        Ok(())
    })
}

#[test]
fn each_guide_shows_the_file_that_is_tested() -> Result<()> {
    for guide in Guide::ALL {
        let page = std::fs::read_to_string(installed::source(guide.page))?;
        let file = guide.text()?;
        let (_comment, directives) = file.split_once("\n\n").unwrap_or_default();
        assert!(!directives.is_empty() && page.contains(directives), "{} does not show this:\n{directives}", guide.page);
    }
    Ok(())
}

#[test]
fn the_guides_curl_gets_through_each() -> Result<()> {
    let page = std::fs::read_to_string(installed::source("docs/proxies/README.md"))?;
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let command = replace(&replace(block, "your.host", &proxy.address.to_string())?, "TOKEN", &server.token("curl")?)?;
        let output = Command::new("bash").args(["-c", &command]).env("no_proxy", "*").output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("HTTP/1.1 101 Switching Protocols"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })
}

/// What the handshake of a page gets that was served by https from the address it connects to.
fn status_by_tls(guide: &Guide, site: &str, server: &Server, authority: &Authority, issued: &Issued) -> Result<u16> {
    let proxy = guide.proxy_with_tls(site, server, issued)?;
    let url = format!("https://{}/ws?token={}", proxy.address, server.token("alice")?);
    let page = Curl::new(&Place::Here, "GET", url)?.option("--cacert").option(&authority.path().to_string_lossy());
    let page = page.option("--http1.1").asking_for_a_websocket();
    Ok(page.header("Origin", &format!("https://{}", proxy.address)).send()?.status)
}

fn whole(opcode: Opcode, payload: &[u8]) -> Frame {
    Frame { is_final: true, opcode, payload: payload.to_vec() }
}
