//! No link leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::pages::{self, Page};

#[test]
fn every_link_leads_to_a_file_and_an_anchor_that_exist() {
    let pages = pages::all();
    assert!(pages.len() > 30, "only {} pages were found", pages.len());
    let mut wrong = Vec::new();
    for (file, page) in &pages {
        for link in &page.links {
            if let Err(why) = follow(file, &link.to, &pages) {
                wrong.push(format!("{}:{}: {}: {why}", file.display(), link.line, link.to));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let pages = pages::all();
    let mut reached = BTreeSet::new();
    let mut ahead = vec![PathBuf::from("README.md")];
    while let Some(file) = ahead.pop() {
        let Some(page) = pages.get(&file) else { continue };
        if reached.insert(file.clone()) {
            ahead.extend(page.links.iter().filter_map(|link| follow(&file, &link.to, &pages).ok().flatten()));
        }
    }
    let lost: Vec<_> = pages.keys().filter(|file| file.starts_with("docs") && !reached.contains(*file)).collect();
    assert!(lost.is_empty(), "no links lead from README.md to {lost:?}: name them in docs/README.md");
}

/// The file of the repository that a link leads to, `None` for one that leads out of it; or what is wrong with it.
fn follow(from: &Path, to: &str, pages: &BTreeMap<PathBuf, Page>) -> Result<Option<PathBuf>, String> {
    if to.starts_with("undefined:") {
        return Err("nothing defines this reference".to_owned());
    }
    if let Some((scheme, rest)) = to.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_good = matches!(scheme, "http" | "https") && host.contains('.') && !to.contains(char::is_whitespace);
        return if is_good { Ok(None) } else { Err("this is no address of the web".to_owned()) };
    }
    if to.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, anchor) = to.split_once('#').map_or((to, None), |(path, anchor)| (path, Some(anchor)));
    let file = match path {
        "" => from.to_owned(),
        path if path.starts_with('/') => return Err("write it relative to this page".to_owned()),
        path => plain(&from.parent().unwrap_or(Path::new("")).join(path)).ok_or("this leads out of the repository")?,
    };
    if !pages::root().join(&file).exists() {
        return Err("there is no such file".to_owned());
    }
    match (anchor, pages.get(&file)) {
        (Some(anchor), Some(page)) if !page.anchors.contains(anchor) => {
            Err(format!("no heading has this anchor; there are {:?}", page.anchors))
        }
        _ => Ok(Some(file)),
    }
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[test]
fn a_link_that_is_wrong_is_told_from_one_that_is_right() {
    let page = |text: &str| pages::parse(text);
    let pages = BTreeMap::from([(PathBuf::from("docs/api.md"), page("# Sending")), (PathBuf::from("README.md"), page("# Silverback"))]);
    let from = Path::new("docs/api.md");
    for good in ["#sending", "../README.md", "../README.md#silverback", "../crates", "https://example.com/a#b", "api.md#sending"] {
        assert!(follow(from, good, &pages).is_ok(), "{good}");
    }
    for bad in
        ["#sendin", "../README.md#Silverback", "nothing.md", "../../x.md", "/docs/api.md", "https://nodots/", "htp://a.b", "undefined:x"]
    {
        assert!(follow(from, bad, &pages).is_err(), "{bad}");
    }
}
