//! The examination for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::finding::{Finding, is_hostile};
use super::lines::{Lines, lines};
use super::observed::{Arrival, Observed};
use super::proxy::Proxy;
use super::subject::Subject;
use super::verdict::Verdict;

/// One object, whose members are described in docs/doctor.md.
pub(super) fn json(
    subject: &Subject,
    observed: &Observed,
    findings: &[Finding],
    verdict: &Verdict,
    shown: &[Proxy],
    took: Duration,
    bound: Duration,
) -> Value {
    let arrived = match observed.arrival.as_ref().map(|arrival| &arrival.what) {
        Some(Arrival::Told { told, .. }) => told.clone(),
        _ => Value::Null,
    };
    let lines = verdict.topic.map(|topic| shown.iter().map(|proxy| (*proxy, lines(topic, *proxy))).collect::<Vec<_>>());
    let lines =
        lines.unwrap_or_default().into_iter().map(|(proxy, Lines { at, lines })| json!({ "for": proxy.id(), "at": at, "lines": lines }));
    json!({
        "url": subject.shown(),
        "ok": verdict.is_well(),
        "verdict": {
            "cause": verdict.cause,
            "title": verdict.title,
            "words": verdict.words,
            "proxy": verdict.proxy.map(Proxy::id),
            "lines": lines.collect::<Vec<_>>(),
        },
        "stages": findings.iter().map(stage).collect::<Vec<_>>(),
        "arrived": arrived,
        "took_ms": milliseconds(took),
        "bound_ms": milliseconds(bound),
    })
}

/// As text that no terminal obeys: what it would, a JSON string may have escaped.
pub(super) fn written(json: &Value) -> String {
    let mut text = String::new();
    for letter in format!("{json:#}").chars() {
        match letter {
            letter if letter != '\n' && is_hostile(letter) => drop(write!(text, "\\u{:04x}", u32::from(letter))),
            letter => text.push(letter),
        }
    }
    text
}

fn stage(finding: &Finding) -> Value {
    json!({
        "stage": finding.stage.id(),
        "mark": finding.mark.id(),
        "came": finding.came,
        "expected": finding.expected,
        "details": finding.details,
        "took_ms": finding.took.map(milliseconds),
    })
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
