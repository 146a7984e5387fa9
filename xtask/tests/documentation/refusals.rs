//! Every cause of a refusal is in the guides, and the table of `docs/server.md` names none that nothing gives.

use std::collections::BTreeSet;

use crate::pages;
use crate::sources::each_source;

const GUIDES: [&str; 5] = ["server", "api", "authentication", "hooks", "library"];
/// What looks like a cause, in files that refuse, and is none.
const OTHERS: [&str; 5] = ["sec-", "x-", "cf-", "retry-after", "no-store"];

#[test]
fn every_cause_of_a_refusal_is_in_the_guides() {
    let guides: String =
        GUIDES.iter().map(|guide| std::fs::read_to_string(pages::root().join(format!("docs/{guide}.md"))).unwrap()).collect();
    let causes = causes();
    assert!(causes.len() > 40, "{causes:?}");
    let untold: Vec<_> = causes.iter().filter(|cause| !guides.contains(&format!("`{cause}`"))).collect();
    assert!(untold.is_empty(), "no guide tells of {untold:?}: docs/server.md has the table of refusals");
}

#[test]
fn the_table_of_refusals_names_no_cause_that_nothing_gives() {
    let guide = std::fs::read_to_string(pages::root().join("docs/server.md")).unwrap();
    let table = guide.split("\n## Refusals").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5")).filter_map(|row| row.split('|').nth(2));
    let named: BTreeSet<_> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let known = literals(|_| true);
    let invented: Vec<_> = named.difference(&known).collect();
    assert!(named.len() > 30 && invented.is_empty(), "{invented:?} of {named:?}");
}

/// Words with hyphens that stand as texts in files that refuse something.
fn causes() -> BTreeSet<String> {
    let texts = literals(|source| source.contains("Refusal::new("));
    let has_hyphens = |text: &str| text.contains('-') && text.split('-').all(|word| !word.is_empty());
    texts.into_iter().filter(|text| has_hyphens(text) && !OTHERS.iter().any(|other| text.starts_with(other))).collect()
}

/// The texts of small letters, digits and hyphens in the sources that are wanted.
fn literals(wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for package in ["wire", "silverback", "hub", "server"] {
        each_source(&pages::root().join("crates").join(package).join("src"), &mut |source| {
            if wanted(source) {
                let small =
                    |text: &&str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
                texts.extend(source.split('"').filter(small).filter(|text| text.len() > 3).map(str::to_owned));
            }
        });
    }
    texts
}
