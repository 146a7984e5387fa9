//! What nginx needs to be told: with a line of the guide's file left out, the client reads the cure.

mod guide;

use std::time::Duration;

use guide::{Guide, handshake, without};
use silverback_conformance::{Answer, Place, Result, Server};

const SOON: Duration = Duration::from_secs(5);

/// nginx's defaults: nothing but where to pass to.
const DEFAULTS: &str = "server {
    listen 80;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
}";

#[test]
fn without_its_proxy_set_header_lines_the_client_reads_the_cure() -> Result<()> {
    assert_names_the_cure(&answer_behind(&without(&Guide::NGINX.text()?, "proxy_set_header")?)?);
    Ok(())
}

#[test]
fn without_any_one_of_the_lines_that_pass_the_upgrade_on_the_client_reads_the_cure() -> Result<()> {
    for line in ["proxy_http_version", "proxy_set_header Upgrade", "proxy_set_header Connection"] {
        println!("without {line}");
        assert_names_the_cure(&answer_behind(&without(&Guide::NGINX.text()?, line)?)?);
    }
    Ok(())
}

#[test]
fn with_nginxs_defaults_the_client_reads_the_cure() -> Result<()> {
    assert_names_the_cure(&answer_behind(DEFAULTS)?);
    Ok(())
}

/// What a handshake gets behind an nginx with this file.
fn answer_behind(site: &str) -> Result<Answer> {
    let server = Server::start(&Place::Here, &[])?;
    let nginx = Guide::NGINX.proxy_with(site, &server)?;
    handshake(&nginx, &server)?.send()
}

fn assert_names_the_cure(answer: &Answer) {
    assert_eq!(answer.status, 426, "{answer:?}");
    for line in ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection \"upgrade\";"] {
        assert!(answer.body.contains(line), "the refusal does not name the cure {line:?}: {answer:?}");
    }
}
