//! The tables.

use super::contender::{
    Contender, OURS, Program, bun, fastwebsockets, gorilla, raw, silverback, tokio_websockets, tokio_websockets_batched, tungstenite,
    tungstenite_batched, uwebsockets, ws, yawc, yawc_batched,
};
use super::table::{Case, Metric, Rate, Table};
use super::tokens;

pub(crate) fn all() -> Vec<Table> {
    vec![echo(), ways(), compression(), fan_out(), handshakes(), idle(), tail(), growth(), cores(), million()]
}

/// Takes so long, and so much memory, that it is measured only where it is named.
pub(crate) const MILLION: &str = "million";

const CPU_PER_MESSAGE: Metric = Metric::lower("cpu_us", "Processor time of the server for each message, in µs").drawn();
const MESSAGES: Metric = Metric::higher("per_second", "Messages per second");

const ECHO: [Case; 7] = [
    Case::new("64 : 16 B : 1", "echo", &["--connections=64", "--size=16", "--depth=1"]),
    Case::new("64 : 125 B : 16", "echo", &["--connections=64", "--size=125", "--depth=16"]),
    Case::new("64 : 1 KiB : 16", "echo", &["--connections=64", "--size=1024", "--depth=16"]),
    Case::new("32 : 16 KiB : 4", "echo", &["--connections=32", "--size=16384", "--depth=4"]),
    Case::new("8 : 1 MiB : 2", "echo", &["--connections=8", "--size=1048576", "--depth=2"]),
    Case::new("1000 : 125 B : 1", "echo", &["--connections=1000", "--size=125", "--depth=1"]),
    Case::new("32 : 16 KiB text : 4", "echo", &["--connections=32", "--size=16384", "--depth=4", "--kind=multibyte"]),
];

fn echo() -> Table {
    Table {
        name: "echo",
        title: "Echo",
        about: "Columns: connections : payload : messages in flight on each. The text has characters of one to four bytes. \
                \"Batched\" feeds every message that is ready, and flushes once; the others flush each, as their examples do.",
        contenders: vec![
            raw(),
            silverback(),
            uwebsockets(),
            tokio_websockets_batched(),
            yawc_batched(),
            fastwebsockets(),
            tungstenite_batched().once(),
            tokio_websockets().once(),
            yawc().once(),
            tungstenite().once(),
            gorilla().once(),
            ws().once(),
        ],
        cases: ECHO.to_vec(),
        metrics: vec![CPU_PER_MESSAGE, MESSAGES],
        rounds: 4,
        rate: Rate::AsFastAsPossible,
    }
}

fn ways() -> Table {
    Table {
        name: "ways",
        title: "Ways to hold a connection",
        about: "`silverback` is `silverback echo`, with `run`; the others are `crates/silverback/examples/ways.rs`, with the \
                same policy.",
        contenders: vec![
            raw(),
            silverback(),
            Contender::new("bare WebSocket", Program::Example("silverback", "ways"), &["bare", "PORT"]),
            Contender::new("split, two tasks", Program::Example("silverback", "ways"), &["split", "PORT"]),
        ],
        cases: vec![ECHO[0].clone(), ECHO[1].clone(), ECHO[2].clone(), ECHO[3].clone()],
        metrics: vec![CPU_PER_MESSAGE, MESSAGES],
        rounds: 4,
        rate: Rate::AsFastAsPossible,
    }
}

fn compression() -> Table {
    const BUSY: &[&str] = &["--connections=64", "--size=1024", "--depth=4", "--kind=json", "--deflate"];
    const IDLE: &[&str] = &["--connections=4000", "--steps=4", "--hold=0", "--touch=1024", "--kind=json", "--deflate"];
    Table {
        name: "compression",
        title: "Compression",
        about: "permessage-deflate without context takeover, JSON of 1 KiB, inflated and deflated again; each at its own default \
                level. The second column holds 4,000 connections, each of which has had one message.",
        contenders: vec![
            silverback(),
            uwebsockets().with(&["--path=/deflate"]),
            gorilla().with(&["--path=/deflate"]),
            ws().with(&["--path=/deflate"]),
        ],
        cases: vec![Case::new("64 : 1 KiB : 4", "echo", BUSY), Case::new("4,000 idle", "idle", IDLE)],
        metrics: vec![
            CPU_PER_MESSAGE,
            MESSAGES,
            Metric::lower("answer_bytes", "Bytes of an answer"),
            Metric::lower("bytes_each_touched", "Memory of each connection, in bytes"),
        ],
        rounds: 3,
        rate: Rate::AsFastAsPossible,
    }
}

fn fan_out() -> Table {
    const THOUSAND: &[&str] = &["--connections=1000", "--depth=1"];
    const THOUSAND_BY_FOUR: &[&str] = &["--connections=1000", "--depth=4"];
    const TEN_THOUSAND: &[&str] = &["--connections=9990", "--depth=1"];
    const LARGE: &[&str] = &["--connections=100", "--size=16384", "--depth=1"];
    const STALLED: &[&str] = &["--connections=99", "--size=16384", "--depth=1", "--stalled=1"];
    Table {
        name: "fan-out",
        title: "Fan-out",
        about: "One connection publishes 125 bytes, or 16 KiB, and all get them: through the hub, with an identity for each \
                session. One message, or four, is under way at a time. The stalled one never reads, and its buffers are full: \
                what is measured is the others.",
        contenders: vec![
            Contender::new(OURS, Program::Example("silverback-hub", "fan_out"), &["PORT"]),
            uwebsockets().with(&["--path=/fan-out"]),
            Contender::new("tokio-websockets, broadcast", Program::Rust, &["tokio-websockets-fan-out", "PORT"]),
            gorilla().with(&["--path=/fan-out"]).once(),
            ws().with(&["--path=/fan-out"]).once(),
        ],
        cases: vec![
            Case::new("1,000", "fan-out", THOUSAND),
            Case::new("1,000, four at a time", "fan-out", THOUSAND_BY_FOUR),
            Case::new("10,000", "fan-out", TEN_THOUSAND),
            Case::new("100, 16 KiB", "fan-out", LARGE),
            Case::new("99, 16 KiB, one more stalled", "fan-out", STALLED),
        ],
        metrics: vec![
            Metric::lower("cpu_us", "Processor time for each delivery, in µs").drawn(),
            Metric::higher("per_second", "Deliveries per second"),
            Metric::lower("last_p50_us", "Time until the last has it, median, in µs"),
            Metric::lower("last_p99_us", "Time until the last has it, 99th percentile, in µs"),
            Metric::lower("grown_kib", "Growth of the server's memory meanwhile, in KiB"),
        ],
        rounds: 3,
        rate: Rate::AsFastAsPossible,
    }
}

fn handshakes() -> Table {
    let serve = |name, arguments| Contender::new(name, Program::Silverback, arguments).with(&["--path=/ws"]);
    let with_secret = |name, arguments| serve(name, arguments).in_environment("SILVERBACK_AUTH_SECRET", tokens::SECRET);
    Table {
        name: "handshakes",
        title: "Handshakes",
        about: "Connections are opened, upgraded and reset. `serve` checks a token (a JWT), and makes and ends a session.",
        contenders: vec![
            raw(),
            silverback(),
            uwebsockets(),
            fastwebsockets(),
            tokio_websockets(),
            yawc(),
            tungstenite(),
            gorilla().once(),
            ws().once(),
            serve("serve, anonymous", &["serve", "--allow-anonymous", "--listen", "127.0.0.1:PORT"]),
            with_secret("serve, HS256", &["serve", "--listen", "127.0.0.1:PORT"]).with(&["--token-file=BENCH/HS256.token"]),
            serve("serve, ES256", &["serve", "--listen", "127.0.0.1:PORT", "--config", "BENCH/ES256.toml"])
                .with(&["--token-file=BENCH/ES256.token"]),
        ],
        cases: vec![Case::new("each", "churn", &[])],
        metrics: vec![
            Metric::lower("cpu_us", "Processor time for each handshake, in µs").drawn(),
            Metric::higher("per_second", "Handshakes per second"),
        ],
        rounds: 4,
        rate: Rate::AsFastAsPossible,
    }
}

fn idle() -> Table {
    Table {
        name: "idle",
        title: "Idle connections",
        about: "The slope of resident memory over 18,000 connections that are open in one process, before and after one message \
                of 125 bytes on each. `serve` has an identity, an entry in the registry, a heartbeat and a queue for each. What \
                the kernel holds for their sockets is not in it.",
        contenders: vec![
            silverback(),
            Contender::new("bare WebSocket", Program::Example("silverback", "ways"), &["bare", "PORT"]),
            Contender::new("serve, with identity", Program::Silverback, &["serve", "--allow-anonymous", "--listen", "127.0.0.1:PORT"])
                .with(&["--path=/ws", "--touch=0"]),
            uwebsockets(),
            bun(),
            ws(),
            fastwebsockets(),
            tokio_websockets(),
            yawc(),
            gorilla(),
            tungstenite(),
        ],
        cases: vec![Case::new("18,000", "idle", &["--connections=18000"])],
        metrics: vec![
            Metric::lower("bytes_each", "Memory of each connection, in bytes").drawn(),
            Metric::lower("bytes_each_touched", "Memory of each after a message, in bytes"),
            Metric::lower("idle_cpu_percent", "Processor use of all of them, in percent of a core"),
        ],
        rounds: 1,
        rate: Rate::AsFastAsPossible,
    }
}

fn million() -> Table {
    const OPTIONS: &[&str] = &["--connections=1000000", "--from=127.0.1.1", "--touch=0", "--settle=0.05", "--hold=60"];
    let serve = Contender::new("serve, with identity", Program::Silverback, &["serve", "--listen", "127.0.0.1:PORT"]);
    let serve = serve.with(&["--path=/ws", "--token-file=BENCH/million.tokens"]);
    let settings = [
        ("SILVERBACK_AUTH_SECRET", tokens::SECRET),
        ("SILVERBACK_RUNTIME_THREADS", "58"),
        ("SILVERBACK_RUNTIME_OWN_DESCRIPTORS", "true"),
        ("SILVERBACK_HEARTBEAT_PING_AFTER", "60s"),
        ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "90s"),
    ];
    Table {
        name: MILLION,
        title: "A million connections",
        about: "1,000,000 clients of one process on one core, each a user with a token of its own (HS256), from a hundred addresses \
                of loopback. The server has 58 threads with tables of descriptors of their own, since a table has 20,000 here; each \
                client is asked after 60 s of silence whether it lives, and answers.",
        contenders: vec![settings.into_iter().fold(serve, |serve, (name, value)| serve.in_environment(name, value))],
        cases: vec![Case::new("1,000,000", "idle", OPTIONS)],
        metrics: vec![
            Metric::higher("held", "Connections at the end"),
            Metric::lower("lost", "Connections that were lost"),
            Metric::higher("opened_per_second", "Connections opened per second"),
            Metric::lower("cpu_us_each", "Processor time to open one, in µs"),
            Metric::lower("bytes_each", "Memory of each connection, in bytes"),
            Metric::lower("kernel_bytes_each", "The kernel's memory for both ends of each, in bytes"),
            Metric::lower("idle_cpu_percent", "Processor use of all of them, in percent of a core"),
            Metric::higher("pings_per_second", "Pings answered per second meanwhile"),
        ],
        rounds: 1,
        rate: Rate::AsFastAsPossible,
    }
}

fn tail() -> Table {
    Table {
        name: "tail",
        title: "Tail latency",
        about: "Messages of 125 bytes come at set times, at half of the greatest rate that any of the first three manages with \
                one in flight; latency counts from the set time. Of the \"stalled\", one connection in a hundred never reads, \
                and only the others are measured.",
        contenders: vec![silverback(), uwebsockets(), tokio_websockets_batched(), fastwebsockets(), yawc_batched()],
        cases: vec![
            Case::new("100", "echo", &["--connections=100", "--depth=64"]),
            Case::new("99, one stalled", "echo", &["--connections=99", "--stalled=1", "--depth=64"]),
        ],
        metrics: vec![
            Metric::lower("p50_us", "Median, in µs"),
            Metric::lower("p99_us", "99th percentile, in µs"),
            Metric::lower("p999_us", "99.9th percentile, in µs").drawn(),
            CPU_PER_MESSAGE,
        ],
        rounds: 6,
        rate: Rate::HalfOfTheBest(&["--connections=100", "--depth=1"]),
    }
}

fn growth() -> Table {
    Table {
        name: "growth",
        title: "Cost as the hub grows",
        about: "Nanoseconds for each operation on a hub that has so many sessions, over in-memory pipes, each session of a user \
                of its own.",
        contenders: vec![Contender::new(OURS, Program::Example("silverback-hub", "growth"), &[])],
        cases: ["10,000", "100,000", "1,000,000"].map(|name| Case::new(name, "itself", &[])).to_vec(),
        metrics: vec![
            Metric::lower("join_and_leave_ns", "A session joins and leaves, in ns"),
            Metric::lower("look_up_ns", "A user is looked up, in ns"),
            Metric::lower("send_ns", "A message is sent to a user, until it is queued, in ns"),
        ],
        rounds: 1,
        rate: Rate::AsFastAsPossible,
    }
}

fn cores() -> Table {
    Table {
        name: "cores",
        title: "Two cores against one",
        about: "Echoes per second over in-memory pipes, both ends in one process, with one worker thread and with two: what our \
                own locks cost, without the kernel.",
        contenders: vec![Contender::new(OURS, Program::Example("silverback", "cores"), &[])],
        cases: ["one worker", "two workers"].map(|name| Case::new(name, "itself", &[])).to_vec(),
        metrics: vec![Metric::higher("per_second", "Messages per second")],
        rounds: 3,
        rate: Rate::AsFastAsPossible,
    }
}
