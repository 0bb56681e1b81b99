//! Finding the end of a block or a lambda in a text without parsing it: only strings, comments,
//! brackets, line continuations and indentation are understood.

/// What [`block`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Byte offset of the end.
    pub end: usize,
    /// Bound on the depth of the tree: code bytes of the longest logical line, or lines of an `elif` chain.
    pub complexity: usize,
}

/// One token as far as this scanner tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Open,
    Close,
    Newline,
    Word { start: usize, end: usize },
    Text,
    Other(u8),
}

/// Next token at or after `pos` and the position behind it; blanks and comments are skipped.
pub fn token(text: &[u8], mut pos: usize) -> Option<(Token, usize)> {
    loop {
        let byte = *text.get(pos)?;
        return Some(match byte {
            b' ' | b'\t' | b'\x0c' | b'\r' => {
                pos += 1;
                continue;
            }
            b'\\' if line_joining(text, pos) > 0 => {
                pos += line_joining(text, pos);
                continue;
            }
            b'#' => {
                while text.get(pos).is_some_and(|&b| b != b'\n') {
                    pos += 1;
                }
                continue;
            }
            b'\n' => (Token::Newline, pos + 1),
            b'(' | b'[' | b'{' => (Token::Open, pos + 1),
            b')' | b']' | b'}' => (Token::Close, pos + 1),
            b'"' | b'\'' => (Token::Text, string_end(text, pos)),
            _ if is_word(byte) => {
                let start = pos;
                while text.get(pos).copied().is_some_and(is_word) {
                    pos += 1;
                }
                (Token::Word { start, end: pos }, pos)
            }
            other => (Token::Other(other), pos + 1),
        });
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Length of a backslash and line end at `pos`, or 0.
fn line_joining(text: &[u8], pos: usize) -> usize {
    match (text.get(pos + 1), text.get(pos + 2)) {
        (Some(b'\n'), _) => 2,
        (Some(b'\r'), Some(b'\n')) => 3,
        _ => 0,
    }
}

/// End of the string literal whose quote is at `pos`.
fn string_end(text: &[u8], pos: usize) -> usize {
    let quote = text[pos];
    let triple = text.get(pos + 1) == Some(&quote) && text.get(pos + 2) == Some(&quote);
    let mut at = pos + if triple { 3 } else { 1 };
    while let Some(&byte) = text.get(at) {
        if byte == b'\\' {
            at += 2;
        } else if byte == quote && !triple {
            return at + 1;
        } else if byte == quote && text.get(at + 1) == Some(&quote) && text.get(at + 2) == Some(&quote) {
            return at + 3;
        } else if byte == b'\n' && !triple {
            return at;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Columns of the blanks at `pos`, with tab stops of 8, and the position behind them.
pub fn indentation(text: &[u8], mut pos: usize) -> (usize, usize) {
    let mut columns = 0;
    loop {
        match text.get(pos) {
            Some(b' ') => columns += 1,
            Some(b'\t') => columns = (columns / 8 + 1) * 8,
            Some(b'\x0c') => columns = 0,
            _ => return (columns, pos),
        }
        pos += 1;
    }
}

struct Logical {
    /// Behind its newline.
    end: usize,
    /// Ends with a colon, so a block follows.
    opens_block: bool,
    /// Bytes of code (no blanks, comments, insides of strings).
    length: usize,
}

fn logical_line(text: &[u8], mut pos: usize) -> Logical {
    let (mut depth, mut length, mut opens_block) = (0usize, 0, false);
    while let Some((found, next)) = token(text, pos) {
        pos = next;
        match found {
            Token::Newline if depth == 0 => {
                return Logical {
                    end: pos,
                    opens_block,
                    length,
                };
            }
            Token::Newline => continue,
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Word { start, end } => length += end - start,
            Token::Text | Token::Other(_) => {}
        }
        length += 1;
        opens_block = found == Token::Other(b':');
    }
    Logical {
        end: text.len(),
        opens_block,
        length,
    }
}

/// The block that starts at the start of `text`: decorators and a `def`, or one logical line.
pub fn block(text: &str) -> Block {
    let text = text.as_bytes();
    let (mut pos, mut end, mut complexity, mut elifs) = (0, 0, 0, 0);
    let mut base = None;
    let mut in_body = false;
    while pos < text.len() {
        let (columns, first) = indentation(text, pos);
        if matches!(text.get(first), Some(b'\n' | b'\r' | b'#')) || first >= text.len() {
            pos = text[first..]
                .iter()
                .position(|&b| b == b'\n')
                .map_or(text.len(), |n| first + n + 1);
            continue;
        }
        let base = *base.get_or_insert(columns);
        if in_body && columns <= base {
            break;
        }
        let line = logical_line(text, first);
        elifs += usize::from(text[first..].starts_with(b"elif"));
        complexity = complexity.max(line.length).max(elifs * 4).max(columns);
        (pos, end) = (line.end, line.end);
        if in_body || text[first] == b'@' {
            continue;
        }
        let header = [b"def".as_slice(), b"async", b"class"]
            .iter()
            .any(|word| text[first..].starts_with(word));
        if !(header && line.opens_block) {
            break;
        }
        in_body = true;
    }
    Block { end, complexity }
}

/// Start offsets of the `lambda` keywords between `from` and `to`, with the bracket depth there.
pub fn lambdas(text: &str, from: usize, to: usize) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut pos, mut depth) = (from, 0usize);
    let mut found = Vec::new();
    while let Some((next, end)) = token(bytes, pos) {
        if end > to {
            break;
        }
        match next {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Word { start, end } if &bytes[start..end] == b"lambda" => found.push((start, depth)),
            _ => {}
        }
        pos = end;
    }
    found
}

/// End of the lambda that starts at `start`. `lines`: whether the end of a line can end it.
pub fn lambda_end(text: &str, start: usize, lines: bool) -> usize {
    let bytes = text.as_bytes();
    let (mut pos, mut depth, mut pending) = (start, 0usize, 0usize);
    let mut end = start;
    while let Some((next, after)) = token(bytes, pos) {
        match next {
            Token::Open => depth += 1,
            Token::Close if depth == 0 => break,
            Token::Close => depth -= 1,
            Token::Newline if depth == 0 && lines => break,
            Token::Newline => {
                pos = after;
                continue;
            }
            Token::Word { start, end } if depth == 0 => match &bytes[start..end] {
                b"lambda" => pending += 1,
                b"for" | b"async" => break,
                _ => {}
            },
            Token::Other(b',') if depth == 0 && pending == 0 => break,
            Token::Other(b':') if depth == 0 => match pending {
                0 => break,
                _ => pending -= 1,
            },
            Token::Other(b';') if depth == 0 => break,
            _ => {}
        }
        (pos, end) = (after, after);
    }
    end
}

/// Whether the line behind `end` must belong to the same expression as the one before it.
pub fn continues(text: &str, line_start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let (base, _) = indentation(bytes, line_start);
    let mut pos = end;
    while let Some((Token::Newline, next)) = token(bytes, pos) {
        let (columns, first) = indentation(bytes, next);
        match bytes.get(first) {
            None => return false,
            Some(b'\n' | b'\r' | b'#') => pos = first,
            Some(byte) => {
                let rest = &text[first..];
                let words = ["and ", "or ", "if ", "else ", "in ", "is ", "not in "];
                return (columns > base && !matches!(byte, b')' | b']' | b'}' | b','))
                    || b"+-*/%&|^<>=.".contains(byte)
                    || words.iter().any(|&word| rest.starts_with(word) && word != "if ");
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> usize {
        text[..block(text).end].lines().count()
    }

    #[test]
    fn a_block_ends_where_the_indentation_does() {
        assert_eq!(lines("def f():\n    return 1\n\n# c\nx = 1\n"), 2);
        assert_eq!(
            lines("  @d(\n1)\n  def f(a,\nb):\n\n    '''x\ny'''\n# c\n    return 1\n  def g(): pass\n"),
            9
        );
        assert_eq!(lines("def f(): return 1\n    \nx = 2\n"), 1);
        assert_eq!(lines("x = lambda a: (a +\n 1)\ny = 2"), 2);
        assert_eq!(lines("def f(x: int = 3,\n  y=':'):  # c:\n  return \\\nx\ny"), 4);
    }

    #[test]
    fn lambdas_end_at_their_brackets() {
        let cut = |text: &str, lines| {
            let (start, _) = lambdas(text, 0, text.len())[0];
            text[start..lambda_end(text, start, lines)].to_owned()
        };
        assert_eq!(cut("f(lambda x, y: x + y, 2)", true), "lambda x, y: x + y");
        assert_eq!(cut("  lambda x: (x, 1))", true), "lambda x: (x, 1)");
        assert_eq!(cut("[lambda: x for x in y]", true), "lambda: x");
        assert_eq!(
            cut("f = lambda x: lambda y: x  # c\nz", true),
            "lambda x: lambda y: x"
        );
        assert_eq!(cut("f(lambda x: x\n + 1)", false), "lambda x: x\n + 1");
        assert!(lambdas("'lambda x: x' # lambda", 0, 22).is_empty());
    }

    #[test]
    fn continuations_are_told_from_statements() {
        assert!(continues("lambda x: x\n   + 1)", 0, 11));
        assert!(!continues("lambda x: x\ny = 1", 0, 11));
        assert!(!continues("  lambda x: x\n)", 0, 13));
    }
}
