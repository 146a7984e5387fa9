//! The doctor before real proxies: right, and with the mistakes that people make.

mod guide;

use std::time::Duration;

use guide::mistakes::Mistake;
use guide::{Guide, behind_each, without};
use silverback_conformance::{Authority, Diagnosis, Place, ProxyKind, Result, Server, installed};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_proxy_that_is_right_passes() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let diagnosis = Diagnosis::of(&format!("ws://{}/ws", proxy.address), &["--token", &server.token("patient")?])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(0), "well"), "{diagnosis:#?}");
        Ok(())
    })
}

#[test]
fn a_proxy_that_is_right_passes_with_tls_too() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let authority = Authority::new()?;
    let (trusted, issued) = (authority.path(), authority.issue()?);
    behind_each(|guide| {
        let proxy = guide.proxy_with_tls(&guide.text()?, &server, &issued)?;
        let (url, token) = (format!("wss://{}/ws", proxy.address), server.token("patient")?);
        let diagnosis = Diagnosis::of(&url, &["--token", &token, "--ca", &trusted.to_string_lossy()])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(0), "well"), "{diagnosis:#?}");
        Ok(())
    })
}

#[test]
fn headers_of_the_upgrade_that_are_not_passed_on_are_named() -> Result<()> {
    cause_of(Mistake::NoUpgrade, &[], |_| "upgrade-dropped")
}

#[test]
fn a_version_of_http_that_has_no_upgrade_is_named() -> Result<()> {
    cause_of(Mistake::OldHttp, &[], |kind| match kind {
        ProxyKind::Nginx | ProxyKind::Apache => "http-1.0-upstream",
        ProxyKind::HaProxy | ProxyKind::Caddy => "upstream-unreachable", // they speak HTTP/2, which never reaches the server
    })
}

#[test]
fn a_short_time_out_is_named() -> Result<()> {
    cause_of(Mistake::ShortTimeOut, &["--idle", "8s"], |_| "idle-timeout")
}

#[test]
fn a_head_that_is_too_large_for_the_proxy_is_named() -> Result<()> {
    cause_of(Mistake::SmallHead, &[], |_| "head-too-large")
}

#[test]
fn a_certificate_that_has_expired_is_named() -> Result<()> {
    cause_of(Mistake::ExpiredCertificate, &[], |_| "certificate-expired")
}

#[test]
fn a_host_that_is_not_passed_on_is_named() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    for (guide, line, cure) in [
        (Guide::NGINX, "proxy_set_header Host ", "proxy_set_header Host $http_host;"),
        (Guide::APACHE, "ProxyPreserveHost ", "ProxyPreserveHost On"),
    ] {
        let proxy = guide.proxy_with(&without(&guide.text()?, line)?, &server)?;
        let diagnosis = Diagnosis::of(&format!("ws://{}/ws", proxy.address), &["--token", &server.token("patient")?])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(1), "origin-refused"), "{diagnosis:#?}");
        assert!(diagnosis.lines_for(name(guide.kind)).is_some_and(|lines| lines.contains(cure)), "{diagnosis:#?}");
    }
    Ok(())
}

#[test]
fn a_scheme_that_is_not_told_is_named() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let authority = Authority::new()?;
    let (trusted, issued) = (authority.path(), authority.issue()?);
    for (guide, line) in [
        (Guide::NGINX, "proxy_set_header X-Forwarded-Proto "),
        (Guide::HAPROXY, "http-request set-header X-Forwarded-Proto "),
        (Guide::APACHE, "RequestHeader set X-Forwarded-Proto "),
    ] {
        let proxy = guide.proxy_with_tls(&without(&guide.text()?, line)?, &server, &issued)?;
        let (url, token, trusted) = (format!("wss://{}/ws", proxy.address), server.token("patient")?, trusted.to_string_lossy());
        let diagnosis = Diagnosis::of(&url, &["--token", &token, "--ca", &trusted])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(1), "origin-refused"), "{diagnosis:#?}");
        assert!(diagnosis.lines_for(name(guide.kind)).is_some_and(|lines| lines.contains(line)), "{diagnosis:#?}");
    }
    Ok(())
}

#[test]
fn a_server_that_is_not_where_the_proxy_looks_for_it_is_named() -> Result<()> {
    let mut server = Server::start(&Place::Here, &[])?;
    let token = server.token("patient")?;
    server.process.signal("KILL")?;
    server.process.wait(SOON)?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let diagnosis = Diagnosis::of(&format!("ws://{}/ws", proxy.address), &["--token", &token])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(1), "upstream-unreachable"), "{diagnosis:#?}");
        assert_eq!(diagnosis.proxy(), Some(name(guide.kind)), "{diagnosis:#?}");
        Ok(())
    })
}

#[test]
fn ws_where_the_proxy_speaks_tls_is_named() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let authority = Authority::new()?;
    let issued = authority.issue()?;
    behind_each(|guide| {
        let proxy = guide.proxy_with_tls(&guide.text()?, &server, &issued)?;
        let diagnosis = Diagnosis::of(&format!("ws://{}/ws", proxy.address), &["--token", &server.token("patient")?])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(1), "tls-expected"), "{diagnosis:#?}");
        Ok(())
    })
}

#[test]
fn wss_where_the_proxy_speaks_none_is_named() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    behind_each(|guide| {
        let proxy = guide.proxy(&server)?;
        let diagnosis = Diagnosis::of(&format!("wss://{}/ws", proxy.address), &["--token", &server.token("patient")?])?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(1), "tls-not-spoken"), "{diagnosis:#?}");
        Ok(())
    })
}

/// Has each proxy examined that has this mistake, and holds the doctor to the cause and to the lines that mend it.
fn cause_of(mistake: Mistake, arguments: &[&str], cause: impl Fn(ProxyKind) -> &'static str + Sync) -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let authority = Authority::new()?;
    let trusted = authority.path();
    let expired = authority.issue_expired()?;
    behind_each(|guide| {
        let site = mistake.in_the_file_of(guide)?;
        let (proxy, scheme) = match mistake {
            Mistake::ExpiredCertificate => (guide.proxy_with_tls(&site, &server, &expired)?, "wss"),
            _ => (guide.proxy_with(&site, &server)?, "ws"),
        };
        let (token, trusted) = (server.token("patient")?, trusted.to_string_lossy());
        let cookie = format!("Cookie: session={}", "x".repeat(guide.small_head()));
        let mut all = vec!["--token", &token, "--ca", &trusted];
        if mistake == Mistake::SmallHead {
            all.extend(["-H", &cookie]);
        }
        all.extend(arguments);
        let diagnosis = Diagnosis::of(&format!("{scheme}://{}/ws", proxy.address), &all)?;
        assert_eq!((diagnosis.status, diagnosis.cause()), (Some(1), cause(guide.kind)), "{mistake:?}: {diagnosis:#?}");
        assert_eq!(diagnosis.proxy(), Some(name(guide.kind)), "{mistake:?}: {diagnosis:#?}");
        let lines = diagnosis.lines_for(name(guide.kind)).unwrap_or_default();
        assert!(lines.contains(cure(guide.kind, mistake)), "{mistake:?}: no {:?} in {lines:?}", cure(guide.kind, mistake));
        is_in_the_table(guide, mistake, cause(guide.kind))
    })
}

/// Holds the table of the guide to what the doctor says.
fn is_in_the_table(guide: &Guide, mistake: Mistake, cause: &str) -> Result<()> {
    let page = std::fs::read_to_string(installed::source("docs/proxies/README.md"))?;
    let beginning = format!("| {} | {} | ", mistake.title(), guide.name);
    let row = page.lines().find(|line| line.starts_with(&beginning)).unwrap_or_default();
    let cure = cure(guide.kind, mistake);
    assert!(row.contains(&format!("| `{cause}` |")) && row.contains(cure), "no `{cause}` with {cure:?} in the row {beginning:?}: {row:?}");
    Ok(())
}

/// As the doctor names it.
fn name(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Nginx => "nginx",
        ProxyKind::HaProxy => "haproxy",
        ProxyKind::Caddy => "caddy",
        ProxyKind::Apache => "apache",
    }
}

/// What mends the mistake, or has to go, and must be among the lines.
fn cure(kind: ProxyKind, mistake: Mistake) -> &'static str {
    match (mistake, kind) {
        (Mistake::NoUpgrade, ProxyKind::Nginx) => "proxy_set_header Upgrade $http_upgrade;",
        (Mistake::NoUpgrade, ProxyKind::HaProxy) => "http-request del-header Upgrade",
        (Mistake::NoUpgrade, ProxyKind::Caddy) => "header_up -Upgrade",
        (Mistake::NoUpgrade, ProxyKind::Apache) => "upgrade=websocket",

        (Mistake::OldHttp, ProxyKind::Nginx) => "proxy_http_version 1.1;",
        (Mistake::OldHttp, ProxyKind::HaProxy) => "proto h2",
        (Mistake::OldHttp, ProxyKind::Caddy) => "h2c://",
        (Mistake::OldHttp, ProxyKind::Apache) => "SetEnv force-proxy-request-1.0 1",

        (Mistake::ShortTimeOut, ProxyKind::Nginx) => "proxy_read_timeout",
        (Mistake::ShortTimeOut, ProxyKind::HaProxy) => "timeout tunnel",
        (Mistake::ShortTimeOut, ProxyKind::Caddy) => "read_timeout",
        (Mistake::ShortTimeOut, ProxyKind::Apache) => "Timeout 300",

        (Mistake::SmallHead, ProxyKind::Nginx) => "large_client_header_buffers",
        (Mistake::SmallHead, ProxyKind::HaProxy) => "tune.bufsize",
        (Mistake::SmallHead, ProxyKind::Caddy) => "max_header_size",
        (Mistake::SmallHead, ProxyKind::Apache) => "LimitRequestFieldSize",

        (Mistake::ExpiredCertificate, ProxyKind::Nginx) => "ssl_certificate ",
        (Mistake::ExpiredCertificate, ProxyKind::HaProxy) => "ssl crt",
        (Mistake::ExpiredCertificate, ProxyKind::Caddy) => "tls ",
        (Mistake::ExpiredCertificate, ProxyKind::Apache) => "SSLCertificateFile",
    }
}
