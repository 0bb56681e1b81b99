//! Python source text to HIR. The only user of rustpython-parser.

mod build;
mod display;
pub mod facts;
pub mod hir;
mod parse;
mod scan;
mod scope;
pub mod visit;

pub use display::display;
pub use parse::{FunctionQuery, parse_function};

/// Number of `lines` that belong to the function whose first line is `lines[0]` (a decorator,
/// `def`, or a line with a lambda), as `inspect.getblock` finds it.
pub fn extract_block(lines: &[&str]) -> usize {
    let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        text.push_str(line.trim_end_matches(['\n', '\r']));
        text.push('\n');
    }
    text[..scan::block(&text).end].lines().count()
}

#[cfg(test)]
mod tests;
