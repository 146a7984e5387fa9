//! Measures what `docs/measured/` shows: `cargo run --release -p silverback-hub --example measure`.
//!
//! - `hub-memory.csv`, `.svg`: what the process holds after each 10,000 of 200,000 lives that end by random causes, under each policy;
//! - `hub-lookups.csv`: what a look-up costs among 1,000 to 1,000,000 users.
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails says where")]

#[path = "../tests/lives/mod.rs"]
mod lives;

use std::fmt::Write as _;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lives::{be_quiet_about_panics_on_purpose, live, pairs, resident_kib, upgraded};
use silverback::Upgrader;
use silverback_hub::{EndedLimits, Hub, Identity, Policy, Query, Session, WhenFull};

const ROUNDS: usize = 20;
const LIVES_PER_ROUND: usize = 10_000;

#[tokio::main]
async fn main() {
    be_quiet_about_panics_on_purpose();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measured");
    let memory = [memory("CloseOldest", WhenFull::close_oldest()).await, memory("RefuseNew", WhenFull::RefuseNew).await];
    write(&docs.join("hub-memory.csv"), &csv(&memory));
    write(&docs.join("hub-memory.svg"), &svg(&memory));
    write(&docs.join("hub-lookups.csv"), &lookups().await);
}

/// What was measured under one policy.
struct Series {
    policy: &'static str,
    rounds: Vec<Round>,
}

struct Round {
    lives: usize,
    joined: usize,
    refused: usize,
    sessions: usize,
    resident_kib: usize,
}

async fn memory(name: &'static str, when_full: WhenFull) -> Series {
    let policy = Policy { max_sessions: NonZeroUsize::new(2), one_per_device: true, when_full };
    let hub = Hub::builder().policy(policy).event_backlog(1 << 16).ended(EndedLimits { entries: 1000, bytes: 1 << 20 }).build();
    let counting = tokio::spawn(pairs(hub.subscribe(), tokio::sync::watch::channel(0).0));
    let mut rounds: Vec<Round> = Vec::new();
    for number in 0..=ROUNDS {
        let tally = live(&hub, if number == 0 { 0 } else { LIVES_PER_ROUND }).await;
        let last = rounds.last();
        rounds.push(Round {
            lives: number * LIVES_PER_ROUND,
            joined: last.map_or(0, |last| last.joined) + tally.joined.load(Ordering::Relaxed),
            refused: last.map_or(0, |last| last.refused) + tally.refused.load(Ordering::Relaxed),
            sessions: hub.sessions().len(),
            resident_kib: resident_kib(),
        });
        assert!(tally.most_of_user.into_inner() <= 2, "the bound was broken");
        println!("{name}: {} lives, {} KiB", number * LIVES_PER_ROUND, resident_kib());
    }
    drop(hub);
    let pairs = counting.await.expect("events pair up");
    assert_eq!(rounds.last().map(|last| last.joined), Some(pairs));
    Series { policy: name, rounds }
}

fn csv(all: &[Series]) -> String {
    let mut csv = "policy,lives,joined,refused,sessions_left,resident_kib\n".to_owned();
    for Series { policy, rounds } in all {
        for Round { lives, joined, refused, sessions, resident_kib } in rounds {
            let _ = writeln!(csv, "{policy},{lives},{joined},{refused},{sessions},{resident_kib}");
        }
    }
    csv
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 2] = ["#0072b2", "#d55e00"];

fn svg(all: &[Series]) -> String {
    let most = all.iter().flat_map(|series| &series.rounds).map(|round| round.resident_kib).max().unwrap_or(1) as f64 / 1024.0;
    let top = (most / 20.0).ceil() * 20.0;
    let lives = (ROUNDS * LIVES_PER_ROUND) as f64;
    let x = |at: f64| MARGIN + at / lives * (WIDTH - 2.0 * MARGIN);
    let y = |mib: f64| HEIGHT - MARGIN - mib / top * (HEIGHT - 2.0 * MARGIN);
    let (left, right, bottom) = (x(0.0), x(lives), y(0.0));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">Resident memory after sessions that all have ended (MiB)</text>\n"
    );
    for step in 0..=4 {
        let mib = top * f64::from(step) / 4.0;
        let (line, at) = (y(mib), lives * f64::from(step) / 4.0);
        let _ = writeln!(svg, "<path d=\"M{left} {line:.1}H{right}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mib}</text>", left - 8.0, line + 4.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at}</text>", x(at), bottom + 18.0);
    }
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">joins and ends</text>", WIDTH / 2.0, bottom + 38.0);
    for ((number, series), colour) in all.iter().enumerate().zip(COLOURS) {
        let points: Vec<_> = series
            .rounds
            .iter()
            .map(|round| format!("{:.1},{:.1}", x(round.lives as f64), y(round.resident_kib as f64 / 1024.0)))
            .collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", points.join(" "));
        let line = y(top) + 16.0 + 16.0 * number as f64;
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{line:.1}\" fill=\"{colour}\">{}</text>", left + 12.0, series.policy);
    }
    svg + "</svg>\n"
}

async fn lookups() -> String {
    let mut csv = "users,user_ns,session_ns,page_of_100_us,join_and_leave_ns\n".to_owned();
    let (hub, upgrader) = (Hub::new(), Upgrader::default());
    let mut crowd: Vec<Session> = Vec::new();
    for users in [1000, 10_000, 100_000, 1_000_000] {
        while crowd.len() < users {
            let user = format!("user-{}", crowd.len());
            crowd.push(hub.join(Identity::new(user), upgraded(&upgrader).await).expect("no policy"));
        }
        // Not in the order in which they came.
        let some = (0..100_000).map(|at: usize| crowd[at.wrapping_mul(7_919_317) % users].info());
        let (names, ids): (Vec<String>, Vec<_>) = some.map(|info| (info.identity.user.to_string(), info.id)).unzip();
        let user = each(&names, |name| drop(black_box(hub.user(name).sessions())));
        let session = each(&ids, |id| drop(black_box(hub.session(*id).sessions())));
        let page = each(&ids[..500], |id| drop(black_box(hub.page(&Query::all(), Some(*id), 100))));
        let mut sockets = Vec::new();
        for _ in 0..5000 {
            sockets.push(upgraded(&upgrader).await);
        }
        let names: Vec<_> = (0..5000).map(|at| Identity::new(format!("guest-{at}"))).collect();
        let began = Instant::now();
        let guests: Vec<_> = names.into_iter().zip(sockets).map(|(identity, socket)| hub.join(identity, socket)).collect();
        drop(guests);
        let join = began.elapsed() / 5000;
        let _ = writeln!(csv, "{users},{},{},{},{}", user.as_nanos(), session.as_nanos(), page.as_micros(), join.as_nanos());
        print!("{csv}");
    }
    csv
}

/// How long it takes for one of them.
fn each<T>(all: &[T], act: impl Fn(&T)) -> Duration {
    let began = Instant::now();
    all.iter().for_each(act);
    began.elapsed() / u32::try_from(all.len()).unwrap_or(u32::MAX)
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("it can be made");
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
