//! The tables of docs/gorilla-parity.md are whole: they name everything that gorilla/websocket exports, once, and nothing else.

use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../../docs/gorilla-parity.md");
const EXPORTED: &str = include_str!("gorilla-websocket-1.5.0.txt");

#[test]
fn the_table_names_every_exported_identifier_once() {
    let rows = rows();
    for name in exported() {
        match rows.get(name).copied().unwrap_or_default() {
            1 => {}
            0 => panic!("docs/gorilla-parity.md has no row for `{name}`"),
            count => panic!("docs/gorilla-parity.md has {count} rows for `{name}`"),
        }
    }
}

#[test]
fn the_table_names_nothing_that_is_not_exported() {
    for name in rows().into_keys() {
        assert!(exported().any(|exported| exported == name), "gorilla/websocket exports no `{name}`");
    }
}

fn exported() -> impl Iterator<Item = &'static str> {
    EXPORTED.lines().filter(|line| !line.starts_with('#'))
}

/// What stands in backquotes in the first column of a table, and how often.
fn rows() -> BTreeMap<&'static str, usize> {
    let mut rows = BTreeMap::new();
    for line in PAGE.lines().filter_map(|line| line.strip_prefix("| ")) {
        let first = line.split(" | ").next().unwrap_or_default();
        for name in first.split('`').skip(1).step_by(2) {
            *rows.entry(name).or_default() += 1;
        }
    }
    rows
}
