//! What is deployed fits what the server is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use client::run;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| unreachable!("{path}: {error}"))
}

/// Every word that begins so.
fn words(text: &str, beginning: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_part(letter)).filter(|word| word.starts_with(beginning)).map(str::to_owned).collect()
}

fn sources(directory: &Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The metrics that the program has, as it names them where it counts.
fn metrics() -> BTreeSet<String> {
    let mut source = String::new();
    for package in ["silverback", "hub", "server"] {
        sources(&root().join("crates").join(package).join("src"), &mut source);
    }
    let named =
        |kind: &str| source.split(&format!("{kind}!(\"")).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
    let (counters, gauges, histograms): (Vec<_>, Vec<_>, Vec<_>) = (named("counter"), named("gauge"), named("histogram"));
    let series = |name: String| ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"));
    counters.into_iter().chain(gauges).chain(histograms.into_iter().flat_map(series)).collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_exist() {
    let known = metrics();
    assert!(known.len() > 30, "{known:?}");
    for file in ["packaging/grafana/silverback.json", "packaging/prometheus/alerts.yml"] {
        let asked = words(&read(file), "silverback_");
        let unknown: Vec<_> = asked.difference(&known).collect();
        assert!(asked.len() > 4 && unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_all_ask_for_something() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("packaging/grafana/silverback.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(targets.iter().all(|target| target["expr"].as_str().is_some_and(|expression| expression.contains("$instance"))), "{panel}");
    }
}

#[test]
fn what_packages_set_is_a_variable_that_the_server_knows() {
    let known = words(&run(&[], &["config", "example"]).stdout, "SILVERBACK_");
    let mut used = BTreeSet::new();
    for file in ["Dockerfile", "packaging/kubernetes/deployment.yaml", "packaging/systemd/silverback.service", "docs/operations.md"] {
        used.append(&mut words(&read(file), "SILVERBACK_"));
    }
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(used.len() > 4 && unknown.is_empty(), "{unknown:?} of {known:?}");
}

/// The seconds behind the last word that begins so.
fn seconds(text: &str, key: &str) -> u64 {
    let (_, rest) = text.rsplit_once(key).unwrap_or_else(|| unreachable!("no {key}"));
    let digits: String = rest.chars().skip_while(|letter| !letter.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn whoever_ends_the_server_gives_it_the_time_that_it_takes() {
    const AFTERWARDS: u64 = 8 + 3 + 2; // the last words, the last requests and the last traces: stop.rs and exporter.rs
    let manifest = read("packaging/kubernetes/deployment.yaml");
    let (grace, before) = (seconds(&manifest, "terminationGracePeriodSeconds:"), seconds(&manifest, "sleep:"));
    assert!(grace > before + seconds(&manifest, "SILVERBACK_DRAIN_OVER") + AFTERWARDS, "{grace}");
    assert!(seconds(&read("packaging/systemd/silverback.service"), "TimeoutStopSec=") > 10 + AFTERWARDS);
}
