//! What a token must say, once its signature is found good, and what is taken from it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use silverback_hub::Attributes;

use super::settings::{AttributeClaims, Auth, ClaimNames};
use super::verified::{LONGEST_NAME, check_name, time};
use super::{TokenError, Verified};

/// A token whose `nbf` is this little ahead of our clock is good, unless something else is configured: clocks differ.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(30);

/// What is configured about claims.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    audience: Vec<String>,
    issuer: Vec<String>,
    /// How much earlier a token counts than it says.
    before: Duration,
    /// How much longer.
    after: Duration,
    required: BTreeMap<String, Value>,
    names: ClaimNames,
}

impl Rules {
    pub(super) fn new(auth: &Auth) -> Self {
        Self {
            audience: auth.audience.0.clone(),
            issuer: auth.issuer.0.clone(),
            before: auth.leeway.unwrap_or(NOT_BEFORE_LEEWAY),
            after: auth.leeway.unwrap_or_default(),
            required: auth.required.0.clone(),
            names: auth.claims.clone(),
        }
    }

    /// Who somebody is by these claims, at this time.
    pub(super) fn judge(&self, mut claims: Map<String, Value>, source: &'static str, now: SystemTime) -> Result<Verified, TokenError> {
        let expires_at = self.check_times(&claims, now)?;
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        for (name, value) in &self.required {
            let found = claims.get(name).ok_or_else(|| TokenError::ClaimMissing(name.clone()))?;
            // A claim that is a list, such as of roles, must have the value in it.
            if found != value && !found.as_array().is_some_and(|list| list.contains(value)) {
                return Err(TokenError::ClaimWrong { name: name.clone(), why: "it is not what this server requires" });
            }
        }
        let user = self.user(&claims)?;
        let device = self.device(&claims)?;
        let attributes = self.attributes(&mut claims)?;
        Ok(Verified { user, device, attributes, expires_at, source })
    }

    /// When the token ends, if it does.
    fn check_times(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<Option<SystemTime>, TokenError> {
        let end = numeric_date(claims, "exp")?;
        // Leeway that leads beyond what can be written leads nowhere.
        let over = end.map(|end| end.checked_add(self.after).unwrap_or(end));
        if let (Some(since), Some(over)) = (end, over)
            && over <= now
        {
            return Err(TokenError::Expired { since, ago: now.duration_since(since).unwrap_or_default() });
        }
        let begin = numeric_date(claims, "nbf")?;
        if let Some(begin) = begin.filter(|begin| begin.checked_sub(self.before).is_some_and(|begin| begin > now)) {
            return Err(TokenError::NotYetValid(begin));
        }
        Ok(over)
    }

    fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let issuer = claims.get("iss").and_then(Value::as_str);
        let is_good = self.issuer.is_empty() || issuer.is_some_and(|issuer| self.issuer.iter().any(|good| good == issuer));
        if is_good { Ok(()) } else { Err(TokenError::Issuer { expected: self.issuer.clone() }) }
    }

    /// RFC 7519, 4.1.3: one text or a list of them.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let is_ours = |value: &Value| value.as_str().is_some_and(|text| self.audience.iter().any(|good| good == text));
        let is_good = self.audience.is_empty()
            || match claims.get("aud") {
                Some(Value::Array(list)) => list.iter().any(is_ours),
                Some(value) => is_ours(value),
                None => false,
            };
        if is_good { Ok(()) } else { Err(TokenError::Audience { expected: self.audience.clone() }) }
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<String, TokenError> {
        let name = &self.names.user;
        let wrong = |why| TokenError::ClaimWrong { name: name.clone(), why };
        let user = claims.get(name).ok_or_else(|| TokenError::ClaimMissing(name.clone()))?.as_str();
        let user = user.ok_or_else(|| wrong("it must be a text"))?;
        check_name(user).map_err(|_| wrong("it is not the name of a user: 1 to 256 bytes, no control characters, not `.` or `..`"))?;
        Ok(user.to_owned())
    }

    fn device(&self, claims: &Map<String, Value>) -> Result<Option<String>, TokenError> {
        let name = &self.names.device;
        let Some(device) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let device = device.as_str().filter(|device| device.len() <= LONGEST_NAME && check_name(device).is_ok());
        match device {
            Some(device) => Ok(Some(device.to_owned())),
            None => Err(TokenError::ClaimWrong {
                name: name.clone(),
                why: "it is not the name of a device: a text of 1 to 256 bytes, no control characters, not `.` or `..`",
            }),
        }
    }

    fn attributes(&self, claims: &mut Map<String, Value>) -> Result<Attributes, TokenError> {
        let (name, attributes) = match &self.names.attributes {
            AttributeClaims::Object(name) => match claims.remove(name) {
                None | Some(Value::Null) => return Ok(Attributes::default()),
                Some(Value::Object(attributes)) => (name.as_str(), attributes),
                Some(_) => return Err(TokenError::ClaimWrong { name: name.clone(), why: "it must be a JSON object" }),
            },
            AttributeClaims::Claims(names) => ("attributes", names.iter().filter_map(|name| claims.remove_entry(name)).collect()),
        };
        let too_large = |_| TokenError::ClaimWrong { name: name.to_owned(), why: "the attributes are more than 4,096 bytes of JSON" };
        Attributes::new(attributes).map_err(too_large)
    }
}

fn numeric_date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<SystemTime>, TokenError> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_f64().ok_or(TokenError::ClaimWrong { name: name.to_owned(), why: "it must be a number: seconds since 1970" })?;
    Ok(Some(time(seconds)))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn rules(toml: &str) -> Rules {
        let auth = crate::config::from_toml(&format!("[auth]\n{toml}")).unwrap().auth;
        Rules::new(&auth)
    }

    fn judge(toml: &str, claims: Value) -> Result<Verified, TokenError> {
        let Value::Object(claims) = claims else { unreachable!("an object") };
        rules(toml).judge(claims, "header", UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[track_caller]
    fn refused(toml: &str, claims: Value, cause: &str) -> String {
        let error = judge(toml, claims).unwrap_err();
        assert_eq!(error.cause(), cause, "{error}");
        error.to_string()
    }

    #[test]
    fn the_claims_say_who_it_is() {
        let claims = json!({"sub": "alice", "device": "phone", "attributes": {"role": "admin"}, "exp": NOW + 60, "other": 1});
        let verified = judge("", claims).unwrap();
        assert_eq!((verified.user.as_str(), verified.device.as_deref(), verified.source), ("alice", Some("phone"), "header"));
        assert_eq!(Value::Object(verified.attributes.object().unwrap().clone()), json!({"role": "admin"}));
        assert_eq!(verified.expires_at, Some(UNIX_EPOCH + Duration::from_secs(NOW + 60)));
        let verified = judge("", json!({"sub": "alice"})).unwrap();
        assert_eq!((verified.device, verified.attributes, verified.expires_at), (None, Attributes::default(), None));
    }

    #[test]
    fn which_claims_say_it_is_configured() {
        let toml = "claims = { user = \"uid\", device = \"https://example.com/device\", attributes = [\"name\", \"roles\", \"absent\"] }";
        let claims =
            json!({"sub": "x", "uid": "alice", "https://example.com/device": "tv", "name": "Alice", "roles": ["a"], "email": "a@b"});
        let verified = judge(toml, claims).unwrap();
        assert_eq!((verified.user.as_str(), verified.device.as_deref()), ("alice", Some("tv")));
        assert_eq!(Value::Object(verified.attributes.object().unwrap().clone()), json!({"name": "Alice", "roles": ["a"]}));
        assert!(refused(toml, json!({"sub": "x"}), "token-claim-missing").contains("`uid`"));
    }

    #[test]
    fn an_end_is_exact_and_a_beginning_is_not_unless_a_leeway_is_configured() {
        for (toml, claim, seconds, is_good) in [
            ("", "exp", NOW + 1, true),
            ("", "exp", NOW, false),
            ("", "nbf", NOW + 30, true),
            ("", "nbf", NOW + 31, false),
            ("leeway = \"10s\"", "exp", NOW - 9, true),
            ("leeway = \"10s\"", "exp", NOW - 10, false),
            ("leeway = \"10s\"", "nbf", NOW + 10, true),
            ("leeway = \"10s\"", "nbf", NOW + 11, false),
            ("leeway = \"0s\"", "nbf", NOW + 1, false),
            ("", "nbf", u64::MAX, false),
            ("", "exp", u64::MAX, true),
        ] {
            let judged = judge(toml, json!({"sub": "alice", claim: seconds}));
            assert_eq!(judged.is_ok(), is_good, "{toml} {claim} {seconds}: {judged:?}");
        }
        let verified = judge("leeway = \"10s\"", json!({"sub": "alice", "exp": NOW - 5})).unwrap();
        assert_eq!(verified.expires_at, Some(UNIX_EPOCH + Duration::from_secs(NOW + 5)), "the session has the leeway too");
    }

    #[test]
    fn a_time_may_have_a_fraction_and_must_be_a_number() {
        assert!(judge("", json!({"sub": "alice", "exp": NOW as f64 + 0.5})).is_ok());
        let error = refused("", json!({"sub": "alice", "exp": 1_000_000_000.5}), "token-expired");
        assert!(error.starts_with("the token expired at 2001-09-09T01:46:40Z, "), "{error}");
        refused("", json!({"sub": "alice", "exp": -1}), "token-expired");
        refused("", json!({"sub": "alice", "exp": "tomorrow"}), "token-claim-wrong");
        refused("", json!({"sub": "alice", "nbf": [1]}), "token-claim-wrong");
    }

    #[test]
    fn the_audience_is_one_of_those_configured() {
        let toml = "audience = [\"chat\", \"https://chat.example\"]";
        for (aud, is_good) in [
            (json!("chat"), true),
            (json!(["other", "https://chat.example"]), true),
            (json!("Chat"), false),
            (json!(["other"]), false),
            (json!([]), false),
            (json!(7), false),
            (json!({"chat": 1}), false),
        ] {
            assert_eq!(judge(toml, json!({"sub": "alice", "aud": aud})).is_ok(), is_good, "{aud}");
        }
        assert!(refused(toml, json!({"sub": "alice"}), "token-audience").contains("chat"));
        assert!(judge("", json!({"sub": "alice", "aud": "anybody"})).is_ok());
    }

    #[test]
    fn the_issuer_is_one_of_those_configured() {
        let toml = "issuer = \"https://id.example\"";
        assert!(judge(toml, json!({"sub": "alice", "iss": "https://id.example"})).is_ok());
        for iss in [json!("https://id.example/"), json!(["https://id.example"]), json!(null)] {
            refused(toml, json!({"sub": "alice", "iss": iss}), "token-issuer");
        }
        refused(toml, json!({"sub": "alice"}), "token-issuer");
    }

    #[test]
    fn required_claims_have_their_values_or_have_them_in_a_list() {
        let toml = "required = { tier = \"gold\", level = 3, chat = true }";
        let with = |tier: Value, level: Value, chat: Value| json!({"sub": "alice", "tier": tier, "level": level, "chat": chat});
        assert!(judge(toml, with(json!("gold"), json!(3), json!(true))).is_ok());
        assert!(judge(toml, with(json!(["x", "gold"]), json!(3), json!(true))).is_ok());
        for wrong in [
            with(json!("golden"), json!(3), json!(true)),
            with(json!("gold"), json!("3"), json!(true)),
            with(json!("gold"), json!(3), json!("true")),
            with(json!({"gold": 1}), json!(3), json!(true)),
        ] {
            refused(toml, wrong, "token-claim-wrong");
        }
        assert!(refused(toml, json!({"sub": "alice", "tier": "gold", "level": 3}), "token-claim-missing").contains("`chat`"));
    }

    #[test]
    fn names_have_bounds() {
        for (user, is_good) in [
            ("x".repeat(256), true),
            ("x".repeat(257), false),
            (String::new(), false),
            ("..".to_owned(), false),
            ("a\nb".to_owned(), false),
        ] {
            assert_eq!(judge("", json!({"sub": user})).is_ok(), is_good);
            assert_eq!(judge("", json!({"sub": "alice", "device": user})).is_ok(), is_good);
        }
        refused("", json!({"sub": 7}), "token-claim-wrong");
        refused("", json!({"sub": "alice", "device": 7}), "token-claim-wrong");
    }

    #[test]
    fn attributes_have_a_limit() {
        let of = |size: usize| json!({"sub": "alice", "attributes": {"a": "x".repeat(size - "{\"a\":\"\"}".len())}});
        assert!(judge("", of(Attributes::LIMIT - 1)).is_ok());
        assert!(judge("", of(Attributes::LIMIT)).is_ok());
        refused("", of(Attributes::LIMIT + 1), "token-claim-wrong");
        refused("", json!({"sub": "alice", "attributes": ["a"]}), "token-claim-wrong");
    }
}
