//! Finds the paths of Rust source, in code and inside macros alike: `crate::a::B`, with use trees taken apart.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path of at least one word, as `use` would spell it; `super` is resolved, so one of ours begins with `crate`.
pub type Path = Vec<String>;

/// The tokens of a file.
pub fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("not Rust: {error}"))
}

/// Every path that the tokens name. `home` is the module that they are in, from the crate's root.
pub fn paths(source: TokenStream, home: &[&str]) -> Vec<Path> {
    let mut found = Vec::new();
    let home: Path = home.iter().map(|word| (*word).to_owned()).collect();
    search(source, &home, &mut found);
    found
}

/// The tokens without what is compiled for tests only.
pub fn without_tests(source: TokenStream) -> TokenStream {
    let trees: Vec<TokenTree> = source.into_iter().collect();
    let mut kept = TokenStream::new();
    let mut next = 0;
    while let Some(tree) = trees.get(next) {
        if is_mark(tree, '#') && trees.get(next + 1).is_some_and(is_test_attribute) {
            // The item ends with its block, or with a semicolon.
            let ends = |tree: &TokenTree| is_mark(tree, ';') || is_block(tree);
            next += 2 + trees[next + 2..].iter().position(ends).map_or(0, |last| last + 1);
        } else {
            kept.extend([tree.clone()]);
            next += 1;
        }
    }
    kept
}

/// Whether somewhere in the tokens stands a call of this method.
pub fn calls_method(source: TokenStream, method: &str) -> bool {
    let trees: Vec<TokenTree> = source.into_iter().collect();
    let call = |three: &[TokenTree]| {
        let arguments =
            matches!(&three[2], TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
        is_mark(&three[0], '.') && is_word(&three[1], method) && arguments
    };
    let here = trees.windows(3).any(call);
    here || trees.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => calls_method(group.stream(), method),
        _ => false,
    })
}

fn search(source: TokenStream, home: &Path, found: &mut Vec<Path>) {
    let trees: Vec<TokenTree> = source.into_iter().collect();
    let mut next = 0;
    while next < trees.len() {
        match &trees[next] {
            TokenTree::Ident(word) if word == "mod" => {
                let name = trees.get(next + 1).map(ToString::to_string);
                match trees.get(next + 2) {
                    Some(TokenTree::Group(inside)) => {
                        let home: Path = home.iter().cloned().chain(name).collect();
                        search(inside.stream(), &home, found);
                        next += 3;
                    }
                    _ => next += 2,
                }
            }
            // `use ::http` begins with a crate's name, not with `use`.
            TokenTree::Ident(word) if word == "use" => next += 1,
            TokenTree::Ident(_) => next = path(&trees, next, &Path::new(), home, found),
            TokenTree::Group(group) => {
                search(group.stream(), home, found);
                next += 1;
            }
            _ => next += 1,
        }
    }
}

/// Reads the path that begins here; the position after it.
fn path(trees: &[TokenTree], from: usize, before: &Path, home: &Path, found: &mut Vec<Path>) -> usize {
    let mut words = before.clone();
    let mut next = from;
    while let Some(TokenTree::Ident(word)) = trees.get(next) {
        step(&mut words, &word.to_string(), home);
        next += 1;
        if !(trees.get(next).is_some_and(|tree| is_mark(tree, ':'))
            && trees.get(next + 1).is_some_and(|tree| is_mark(tree, ':')))
        {
            found.push(words);
            return next;
        }
        next += 2;
    }
    match trees.get(next) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            branches(group.stream(), &words, home, found);
            next + 1
        }
        // A star, or generic arguments: what stands before them is the path.
        _ => {
            found.push(words);
            next
        }
    }
}

/// The branches of a use tree, `{a, b::c as d, self}`, each with what stands before the brace.
fn branches(source: TokenStream, before: &Path, home: &Path, found: &mut Vec<Path>) {
    let trees: Vec<TokenTree> = source.into_iter().collect();
    let mut next = 0;
    while next < trees.len() {
        next = match &trees[next] {
            TokenTree::Ident(word) if word == "as" => next + 2,
            TokenTree::Ident(_) | TokenTree::Group(_) => {
                path(&trees, next, before, home, found).max(next + 1)
            }
            _ => next + 1,
        };
    }
}

fn step(words: &mut Path, word: &str, home: &Path) {
    match word {
        "self" if !words.is_empty() => {}
        "super" if words.is_empty() => {
            words.push("crate".to_owned());
            words.extend(home.iter().take(home.len().saturating_sub(1)).cloned());
        }
        "super" => {
            words.pop();
        }
        _ => words.push(word.to_owned()),
    }
}

fn is_mark(tree: &TokenTree, mark: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_word(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

fn is_block(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_test_attribute(tree: &TokenTree) -> bool {
    tree.to_string().replace(' ', "") == "[cfg(test)]"
}

fn all(text: &str, home: &[&str]) -> Vec<String> {
    paths(tokens(text), home).iter().map(|path| path.join("::")).collect()
}

#[test]
fn takes_use_trees_apart() {
    let text = "use crate::{a, b::{self, C as D, e::*}, f::G}; pub use ::http::uri;";
    let found = all(text, &["home"]);
    let wanted = ["crate::a", "crate::b", "crate::b::C", "crate::b::e", "crate::f::G", "http::uri"];
    assert_eq!(
        found.iter().filter(|path| path.contains("::")).collect::<Vec<_>>(),
        wanted.iter().collect::<Vec<_>>()
    );
}

#[test]
fn sees_paths_in_code_types_and_macros() {
    let text = "fn f(x: Vec<crate::a::A>) { matches!(x, crate::b::B(_)); crate::c::d::<crate::e::E>(); }";
    let found = all(text, &["home"]);
    for wanted in ["crate::a::A", "crate::b::B", "crate::c::d", "crate::e::E"] {
        assert!(found.iter().any(|path| path == wanted), "{wanted} in {found:?}");
    }
}

#[test]
fn ignores_comments_and_text() {
    let found = all("//! use crate::a;\n/* crate::b */ const X: &str = \"crate::c::d\";", &["home"]);
    assert!(!found.iter().any(|path| path.starts_with("crate")), "{found:?}");
}

#[test]
fn resolves_super_from_where_it_stands() {
    let from = |home: &[&str]| all("use super::x::Y; mod inner { use super::z; use super::super::w; }", home);
    let top = from(&["keeper"]);
    assert!(top.contains(&"crate::x::Y".to_owned()), "{top:?}");
    assert!(top.contains(&"crate::keeper::z".to_owned()) && top.contains(&"crate::w".to_owned()), "{top:?}");
    assert!(from(&["keeper", "judge"]).contains(&"crate::keeper::x::Y".to_owned()));
}

#[test]
fn leaves_out_what_is_for_tests() {
    let text = "#[cfg(test)] mod tests; #[cfg(test)] mod more { use crate::a; } #[cfg(unix)] use crate::b;";
    let found: Vec<_> = paths(without_tests(tokens(text)), &[]).iter().map(|path| path.join("::")).collect();
    assert!(found.contains(&"crate::b".to_owned()) && !found.contains(&"crate::a".to_owned()), "{found:?}");
}

#[test]
fn sees_method_calls_however_deep() {
    assert!(calls_method(tokens("fn f() { g(|x| h![x.expose()]) }"), "expose"));
    assert!(!calls_method(tokens("fn expose() {} // x.expose()"), "expose"));
    assert!(!calls_method(tokens("fn f() { if listen.expose { expose(listen) } }"), "expose"), "a field");
}
