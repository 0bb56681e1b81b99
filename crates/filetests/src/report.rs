//! How two texts differ, by lines.

use std::fmt::Write as _;

/// The lines of a longest common subsequence are context; `-` is what the file holds, `+` what it ought to.
pub fn difference(held: &str, wanted: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (held.lines().collect(), wanted.lines().collect());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[same..].iter().rev().zip(b[same..].iter().rev());
    let tail = tail.take_while(|(x, y)| x == y).count();
    let mut out = String::new();
    for line in &a[same.saturating_sub(3)..same] {
        let _ = writeln!(out, "    {line}");
    }
    for (mark, line) in script(&a[same..a.len() - tail], &b[same..b.len() - tail]) {
        let _ = writeln!(out, "  {mark} {line}");
    }
    for line in a[a.len() - tail..].iter().take(3) {
        let _ = writeln!(out, "    {line}");
    }
    out
}

/// An edit script of least length.
fn script<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(char, &'a str)> {
    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..]
    let mut common = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, vec![]);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && common[i + 1][j] >= common[i][j + 1] {
            out.push(('-', a[i]));
            i += 1;
        } else {
            out.push(('+', b[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn only_what_differs_is_marked() {
        let text = difference("a\nb\nc\nd\n", "a\nx\nc\ny\nd\n");
        assert_eq!(text, "    a\n  - b\n  + x\n    c\n  + y\n    d\n");
    }
}
