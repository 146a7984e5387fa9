//! What loading gives, and what it says where it gives nothing.

use std::ffi::OsString;
use std::time::Duration;

use bytesize::ByteSize;

use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(*value)));
    Layers::of(None).load_from(environment).map_err(|error| error.to_string())
}

#[test]
fn nothing_configured_is_a_good_configuration() {
    let config = load(&[]).unwrap().config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.heartbeat.ping_after.as_secs(), config.heartbeat.dead_after.as_secs()), (20, 30));
    assert_eq!(config.limits.message(), 1 << 20);
    assert_eq!(config.sessions.policy().max_sessions, None);
}

#[test]
fn the_environment_sets_keys_in_human_units_and_never_as_numbers() {
    let config = load(&[
        ("SILVERBACK_LISTEN", "127.0.0.1:9"),
        ("SILVERBACK_AUTH_SECRET", "01234567890123456789012345678901"),
        ("SILVERBACK_API_KEY", "12345678901234567890"),
        ("SILVERBACK_HEARTBEAT_PING_AFTER", "500ms"),
        ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "1s"),
        ("SILVERBACK_LIMITS_MESSAGE", "2MiB"),
        ("SILVERBACK_ALLOW_ANONYMOUS", "true"),
        ("SILVERBACK_ORIGINS", "https://a.example, https://b.example"),
        ("SILVERBACK_SESSIONS_MAX_PER_USER", "3"),
        ("SILVERBACK_AUTH_CLAIMS_USER", "uid"),
    ]);
    let config = config.unwrap().config;
    assert_eq!(config.api.key.unwrap().expose(), "12345678901234567890");
    assert_eq!(config.heartbeat.dead_after, Duration::from_secs(1));
    assert_eq!(config.limits.message, ByteSize::mib(2));
    assert_eq!(config.origins, ["https://a.example", "https://b.example"]);
    assert!(config.allow_anonymous && config.auth.claims.user == "uid" && config.sessions.max_per_user.unwrap().get() == 3);
}

#[test]
fn every_scalar_key_has_a_variable_of_its_own() {
    let keys = keys();
    let variables: std::collections::BTreeSet<_> = keys.iter().map(|key| variable(&key.path)).collect();
    assert_eq!(variables.len(), keys.len(), "two keys have the same variable");
    for Key { path, .. } in keys.iter().filter(|key| key.is_scalar) {
        // Nothing is both a time, a size, a number, an address, a yes or no and a word; so one of these is refused, which shows that it is read.
        let name = variable(path);
        let is_read = ["", "1", "a\u{7f}://"].iter().any(|value| match load(&[(&name, value)]) {
            Ok(loaded) => loaded.sources.contains_key(path),
            Err(text) => text.contains(path) && !text.contains("there is no setting"),
        });
        assert!(is_read, "{name} sets nothing");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_cure_and_without_the_secret() {
    for (name, value, part) in [
        ("SILVERBACK_AUTH_SECRET", "", "auth.secret (SILVERBACK_AUTH_SECRET) is empty"),
        ("SILVERBACK_API_KEY", "", "api.key (SILVERBACK_API_KEY) is empty"),
        ("SILVERBACK_HEARTBEAT_PING_AFTER", "30s", "longer than heartbeat.ping_after"),
        ("SILVERBACK_HEARTBEAT_PING_AFTER", "soon", "heartbeat.ping_after (SILVERBACK_HEARTBEAT_PING_AFTER) is not good: write a time"),
        ("SILVERBACK_LIMITS_MESSAGE", "0", "above 0"),
        ("SILVERBACK_LISTEN", "localhost", "listen (SILVERBACK_LISTEN) is not good: write an IP address"),
        ("SILVERBACK_API_KEY", "a key with spaces in it", "no `Authorization` header"),
        (
            "SILVERBACK_LIMITS_MESAGE",
            "1MiB",
            "no setting SILVERBACK_LIMITS_MESAGE (a variable of the environment): did you mean SILVERBACK_LIMITS_MESSAGE?",
        ),
        ("SILVERBACK_COLOUR", "blue", "`silverback config example` shows them all"),
        ("SILVERBACK_LOG", "verbose", "is not a level: write error, warn"),
    ] {
        let error = load(&[(name, value)]).unwrap_err();
        assert!(error.contains(part), "{error}");
        assert!(!error.contains("spaces in it"), "{error}");
    }
}

#[test]
fn variables_override_the_file_flags_override_variables_and_lists_of_flags_are_added() {
    let path = std::env::temp_dir().join(format!("silverback-layers-{}.toml", std::process::id()));
    std::fs::write(&path, "listen = \"127.0.0.1:1\"\norigins = [\"https://a.example\"]\n[limits]\nmessage = \"1KiB\"\n").unwrap();
    let flag = |name, key, value: &str| Flag { name, key, value: value.to_owned() };
    let flags = vec![flag("--listen", "listen", "127.0.0.1:3"), flag("--origin", "origins", "https://b.example")];
    let layers = Layers { file: Some(path.clone()), flags };
    let environment = [("SILVERBACK_LISTEN", "127.0.0.1:2"), ("SILVERBACK_LIMITS_MESSAGE", "2KiB")];
    let environment = environment.map(|(name, value)| (name.to_owned(), OsString::from(value)));
    let loaded = layers.load_from(environment.into_iter());
    std::fs::remove_file(&path).unwrap();
    let Loaded { config, sources } = loaded.unwrap();
    assert_eq!((config.listen.to_string().as_str(), config.limits.message), ("127.0.0.1:3", ByteSize::kib(2)));
    assert_eq!(config.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(sources["listen"], Source::Flag("--listen"));
    assert_eq!(sources["limits.message"], Source::Variable("SILVERBACK_LIMITS_MESSAGE".to_owned()));
}

#[test]
fn a_file_sets_the_compression_within_its_bounds() {
    let load = |text: &str| from_toml(text).map(|config| config.compression).map_err(|error| error.to_string());
    let compression = load("[compression]\nlevel = 9\nthreshold = \"1KiB\"\ncontext_memory = \"64MiB\"").unwrap();
    assert_eq!(compression.deflate(&compression.budget()).unwrap().budget().limit(), 64 << 20);
    let off = load("[compression]\nenabled = false").unwrap();
    assert!(off.deflate(&off.budget()).is_none());
    let on = load("").unwrap();
    assert!(on.deflate(&on.budget()).is_some(), "on unless it is switched off");
    for good in ["level = 1", "level = 9"] {
        assert!(load(&format!("[compression]\n{good}")).is_ok());
    }
    for bad in ["level = 0", "level = 10", "threshold = \"small\"", "windows = 1"] {
        let error = load(&format!("[compression]\n{bad}")).unwrap_err();
        assert!(error.contains("compression"), "{error}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let error = from_toml("lisen = 1\n[limits]\nmessage = true\n[heartbeat]\ndead_after = \"1s\"\n[nothing]\n").unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    for (part, line) in [
        ("test.toml:1: there is no key `lisen` outside of sections: did you mean `listen`?", 0),
        ("test.toml:3: limits.message is not good: write a size", 0),
        ("test.toml:5: heartbeat.dead_after (1s after a ping at 20s) must be longer", 0),
        ("test.toml:6: there is no key `nothing`", 0),
    ]
    .map(|(part, _)| (part, lines.iter().filter(|line| line.contains(part)).count()))
    {
        assert_eq!(line, 1, "{part:?} is not once in {error}");
    }
}

#[test]
fn secrets_have_a_shortest_length_and_are_never_shown() {
    for (variable, shortest) in [("SILVERBACK_AUTH_SECRET", 32), ("SILVERBACK_API_KEY", 16)] {
        assert!(load(&[(variable, &"x".repeat(shortest))]).unwrap().strength().is_ok());
        let short = load(&[(variable, &"x".repeat(shortest - 1))]).unwrap();
        let error = short.strength().unwrap_err().to_string();
        assert!(error.contains(&format!("needs at least {shortest}")), "{error}");
        assert!(!format!("{short:?}{error}").contains("xxx"));
    }
}

#[test]
fn the_example_loads_and_says_the_defaults() {
    let text = example::text();
    let config = from_toml(&text).unwrap_or_else(|error| unreachable!("{error}\n{text}"));
    assert_eq!(changes(&Config::default(), &config), []);
    for Key { path, is_scalar } in keys() {
        let name = path.rsplit('.').next().unwrap();
        let is_there =
            text.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{name} = ")) || line == format!("#[[{path}]]"));
        assert!(is_there, "{path} is not in the example");
        assert!(!is_scalar || text.contains(&variable(&path)), "the variable of {path} is not in the example");
    }
}

#[test]
fn the_examples_examples_are_good_too() {
    let text = example::text();
    let uncommented: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect();
    let loaded = from_toml(&uncommented.join("\n"));
    let problems = match loaded {
        Ok(_) => Vec::new(),
        Err(ConfigError::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(error) => unreachable!("{error}"),
    };
    // Of an entry's alternatives only one may be there.
    assert!(problems.iter().all(|problem| problem.contains("auth.keys number 1 needs exactly one of")), "{problems:#?}");
}

#[test]
fn the_example_in_the_guides_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/silverback.example.toml");
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, example::text(), "make it again: silverback config example > docs/silverback.example.toml");
}

#[test]
fn the_guide_has_every_key_and_its_variable_and_no_other() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server.md")).unwrap();
    let (_, table) = guide.split_once("| key | default | |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let told: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    let known: Vec<_> = keys().into_iter().map(|key| key.path).collect();
    for key in &known {
        assert!(told.contains(&key.as_str()), "{key} is not in the table of docs/server.md");
    }
    for key in told {
        assert!(known.iter().any(|known| known == key), "docs/server.md has {key}, which is no key");
    }
}

#[test]
fn what_is_printed_loads_again_and_says_where_each_value_is_from() {
    let text =
        "log = \"debug\"\n[limits]\nmessage = \"2MiB\"\n[auth]\nrequired = { tier = \"gold\", level = 3 }\nkeys = [{ jwk = \"a.json\" }]\n";
    let loaded = load::from_text("test.toml", text).unwrap();
    let printed = print::printed(&loaded);
    for line in [
        "log = \"debug\" # test.toml:1",
        "message = \"2MiB\" # test.toml:3",
        "ping_after = \"20s\" # default",
        "# max_per_user is not set",
        "keys = [{ jwk = \"a.json\" }] # test.toml:6",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is not in {printed}");
    }
    let again = from_toml(&printed).unwrap();
    assert_eq!(changes(&loaded.config, &again), []);
}

#[test]
fn what_is_printed_has_no_secret_in_it() {
    let secret = "hush-hush-hush-hush-hush-hush-hush";
    let text = format!(
        "[auth]\nsecret = \"{secret}\"\njwks_url = \"https://id.example/keys?{secret}\"\n\
         [[auth.keys]]\nsecret = \"{secret}\"\nalgorithm = \"HS256\"\n\
         [api]\nkey = \"{secret}\"\nkeys = [{{ key = \"{secret}-2\", rights = [\"send\"], name = \"billing\" }}]\n"
    );
    let printed = print::printed(&load::from_text("test.toml", &text).unwrap());
    assert!(!printed.contains("hush") && printed.contains("secret = \"(secret)\" # test.toml:2"), "{printed}");
}
