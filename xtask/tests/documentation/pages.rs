//! The pages, as GitHub shows them: their links, and the anchors that links may lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pulldown_cmark::{BrokenLink, CowStr, Event, Options, Parser, Tag, TagEnd};

pub(crate) struct Page {
    pub(crate) links: Vec<Link>,
    pub(crate) anchors: BTreeSet<String>,
}

pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) to: String,
}

/// Every page that people read, by its path from the root of the repository.
pub(crate) fn all() -> BTreeMap<PathBuf, Page> {
    let mut files = Vec::new();
    for directory in ["", "bench", "examples", "conformance", "conformance/peers", "fuzz", "packaging"] {
        find(Path::new(directory), false, &mut files);
    }
    find(Path::new("docs"), true, &mut files);
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        find(&Path::new("crates").join(entry.unwrap().file_name()), false, &mut files);
    }
    files.into_iter().map(|file| (file.clone(), read(&file))).collect()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn find(directory: &Path, deep: bool, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = directory.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if deep {
                find(&path, deep, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

fn read(file: &Path) -> Page {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    parse(&text)
}

pub(crate) fn parse(text: &str) -> Page {
    let mut page = Page { links: Vec::new(), anchors: BTreeSet::new() };
    let mut heading: Option<String> = None;
    // A reference that is defined nowhere, `[like][this]`, is a link all the same: one that leads nowhere.
    let undefined = |link: BrokenLink<'_>| match link.link_type {
        pulldown_cmark::LinkType::Reference => Some((CowStr::from(format!("undefined:{}", link.reference)), CowStr::from(""))),
        _ => None,
    };
    for (event, range) in Parser::new_with_broken_link_callback(text, Options::ENABLE_TABLES, Some(undefined)).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let free = (1..).map(|number| format!("{anchor}-{number}"));
                let free = std::iter::once(anchor.clone()).chain(free).find(|anchor| !page.anchors.contains(anchor));
                page.anchors.extend(free);
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = text[..range.start].matches('\n').count() + 1;
                page.links.push(Link { line, to: dest_url.into_string() });
            }
            _ => {}
        }
    }
    page
}

/// What GitHub makes of a heading: lower case, hyphens for spaces, without what is no letter, digit, hyphen or underscore.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn anchors_are_made_as_github_makes_them() {
    let page =
        parse("# Clients: `GET /ws`\n## Why was alice disconnected?\n## Why was alice disconnected?\n### 1006: _nobody_ said goodbye\n");
    let anchors: Vec<_> = page.anchors.iter().map(String::as_str).collect();
    assert_eq!(anchors, ["1006-nobody-said-goodbye", "clients-get-ws", "why-was-alice-disconnected", "why-was-alice-disconnected-1"]);
}

#[test]
fn links_in_code_are_none_and_those_in_tables_are() {
    let page = parse("`[a](b.md)`\n\n```\n[c](d.md)\n```\n\n| | |\n| --- | --- |\n| [e](f.md) | ![g](h.svg) |\n\n[i][j]\n");
    let links: Vec<_> = page.links.iter().map(|link| (link.line, link.to.as_str())).collect();
    assert_eq!(links, [(9, "f.md"), (9, "h.svg"), (11, "undefined:j")]);
}
