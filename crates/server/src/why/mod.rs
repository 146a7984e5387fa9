//! `silverback why`: asks a server's API why somebody was disconnected, and tells it as a story.

mod ask;
mod story;

use std::error::Error;
use std::io::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::config::Config;

/// About whom.
pub(crate) enum About {
    User { name: String, last: usize },
    Session(String),
}

/// Prints the story. Without `url`, of the server that the configuration is for.
pub(crate) async fn why(config: Config, url: Option<String>, about: About) -> Result<(), Box<dyn Error>> {
    let url = match url.or_else(|| config.api_url()) {
        Some(url) => url,
        None => return Err("the API of this configuration is at a Unix socket alone: give its address with --url".into()),
    };
    let api = ask::Api::new(&url, config.api.reading_key().ok_or("the API asks for a key: set SILVERBACK_API_KEY to the server's")?)?;
    let told = match about {
        About::Session(id) => story::of_session(&api.get(&format!("/v1/sessions/{}", encoded(&id))).await?),
        About::User { name, last } => {
            let (user, mut lives) = (encoded(&name), Vec::new());
            let live = api.get(&format!("/v1/users/{user}")).await?;
            let live = live["sessions"].as_array().into_iter().flatten().filter_map(|session| session["id"].as_str());
            for id in live.map(encoded) {
                lives.push(api.get(&format!("/v1/sessions/{id}")).await?);
            }
            let ended = api.get(&format!("/v1/sessions?state=ended&limit={last}&user={user}")).await?;
            story::of_user(&name, &lives, ended["sessions"].as_array().map_or(&[], Vec::as_slice), ended["next"] != Value::Null)
        }
    };
    Ok(std::io::stdout().write_all(told.as_bytes())?)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
