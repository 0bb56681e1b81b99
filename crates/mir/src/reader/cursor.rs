//! Walks over one line of text: words, numbers, strings, punctuation.

use std::str::FromStr;

use super::ParseError;

/// Larger numbers of entities are refused: arenas are dense.
const MAX_NUMBER: u32 = 1 << 20;

/// A line without its comment, and how far it has been read.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str, line: u32) -> Cursor<'a> {
        let text = &text[..comment_start(text)];
        let mut c = Cursor {
            text,
            offset: 0,
            line,
        };
        c.skip_space();
        c
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.offset..];
        self.offset += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let taken = &self.rest()[..bytes];
        self.offset += bytes;
        self.skip_space();
        taken
    }

    pub fn is_end(&self) -> bool {
        self.rest().is_empty()
    }

    pub fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError {
            line: self.line,
            column: self.text[..self.offset].chars().count() as u32 + 1,
            message: message.into(),
        }
    }

    fn expected(&self, what: &str) -> ParseError {
        match self.rest() {
            "" => self.error(format!("expected {what} before the end of the line")),
            rest => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                self.error(format!("expected {what}, found `{}`", &rest[..end]))
            }
        }
    }

    pub fn end(&self) -> Result<(), ParseError> {
        match self.is_end() {
            true => Ok(()),
            false => Err(self.expected("the end of the line")),
        }
    }

    /// Whether `punctuation` is next.
    pub fn at(&self, punctuation: &str) -> bool {
        self.rest().starts_with(punctuation)
    }

    pub fn eat(&mut self, punctuation: &str) -> bool {
        let found = self.at(punctuation);
        if found {
            self.take(punctuation.len());
        }
        found
    }

    pub fn expect(&mut self, punctuation: &str) -> Result<(), ParseError> {
        match self.eat(punctuation) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{punctuation}`"))),
        }
    }

    /// The next word, which is not read yet: letters, digits, `_`, `.`, and `-` before a letter.
    pub fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let hyphen = |i: usize| bytes[i] == b'-' && bytes.get(i + 1).is_some_and(u8::is_ascii_alphabetic);
        let part = |i: usize| bytes[i].is_ascii_alphanumeric() || b"_.".contains(&bytes[i]) || hyphen(i);
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return "";
        }
        let end = (0..bytes.len()).find(|&i| !part(i)).unwrap_or(bytes.len());
        &rest[..end]
    }

    pub fn word(&mut self, what: &str) -> Result<&'a str, ParseError> {
        match self.peek_word() {
            "" => Err(self.expected(what)),
            word => Ok(self.take(word.len())),
        }
    }

    pub fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == word;
        if found {
            self.take(word.len());
        }
        found
    }

    /// A word that `read` understands.
    pub fn named<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, ParseError> {
        match read(self.peek_word()) {
            Some(x) => {
                self.take(self.peek_word().len());
                Ok(x)
            }
            None => Err(self.expected(what)),
        }
    }

    /// Whether the next word is `prefix` and a number.
    pub fn at_entity(&self, prefix: &str) -> bool {
        entity(self.peek_word(), prefix).is_some()
    }

    pub fn entity(&mut self, prefix: &str) -> Result<u32, ParseError> {
        let n = self.named(&format!("`{prefix}` and a number"), |w| entity(w, prefix))?;
        match n < MAX_NUMBER {
            true => Ok(n),
            false => Err(self.error(format!("{prefix}{n}: numbers are below {MAX_NUMBER}"))),
        }
    }

    /// An integer with an optional sign.
    pub fn number<T: FromStr>(&mut self, what: &str) -> Result<T, ParseError> {
        let rest = self.rest();
        let signed = usize::from(rest.starts_with(['+', '-']));
        let digits = rest[signed..]
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len() - signed);
        match rest[..signed + digits].parse() {
            Ok(n) => {
                self.take(signed + digits);
                Ok(n)
            }
            Err(_) => Err(self.expected(what)),
        }
    }

    /// `@` and a line number, 0 if there is none.
    pub fn source_line(&mut self) -> Result<u32, ParseError> {
        match self.eat("@") {
            true => self.number("a line number"),
            false => Ok(0),
        }
    }

    /// Bits of a float: digits, `inf`, `-inf`, or `nan:` and the bits.
    pub fn float(&mut self) -> Result<u64, ParseError> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.:".contains(c)))
            .unwrap_or(rest.len());
        let bits = match rest[..end].strip_prefix("nan:0x") {
            Some(hex) => u64::from_str_radix(hex, 16)
                .ok()
                .filter(|b| f64::from_bits(*b).is_nan()),
            None => rest[..end]
                .parse::<f64>()
                .ok()
                .filter(|x| !x.is_nan())
                .map(f64::to_bits),
        };
        let bits = bits.ok_or_else(|| self.expected("a float"))?;
        self.take(end);
        Ok(bits)
    }

    /// A string in quotes, as `{:?}` writes it.
    pub fn string(&mut self) -> Result<String, ParseError> {
        let Some(body) = self.rest().strip_prefix('"') else {
            return Err(self.expected("a string"));
        };
        let mut out = String::new();
        let mut chars = body.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.take(i + 2);
                    return Ok(out);
                }
                '\\' => {
                    let c = escape(&mut chars).ok_or_else(|| self.error("unknown escape in a string"))?;
                    out.push(c);
                }
                c => out.push(c),
            }
        }
        Err(self.error("a string without an end"))
    }

    /// The text between parentheses, which may hold others.
    pub fn parenthesised(&mut self) -> Result<&'a str, ParseError> {
        self.expect("(")?;
        let mut depth = 1;
        for (i, c) in self.rest().char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let inner = &self.rest()[..i];
                self.take(i + 1);
                return Ok(inner);
            }
        }
        Err(self.error("a parenthesis without an end"))
    }

    /// Items between commas, in parentheses.
    pub fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Cursor<'a>) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect("(")?;
        let mut out = vec![];
        if self.eat(")") {
            return Ok(out);
        }
        loop {
            out.push(item(self)?);
            if self.eat(")") {
                return Ok(out);
            }
            self.expect(",")?;
        }
    }
}

/// Where the comment begins: a `;` outside strings.
fn comment_start(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => return i,
            _ => {}
        }
    }
    text.len()
}

fn entity(word: &str, prefix: &str) -> Option<u32> {
    let digits = word.strip_prefix(prefix)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

/// What follows a backslash.
fn escape(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    Some(match chars.next()?.1 {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        'u' => {
            let hex: String = chars.map(|(_, c)| c).take_while(|c| *c != '}').collect();
            char::from_u32(u32::from_str_radix(hex.strip_prefix('{')?, 16).ok()?)?
        }
        c @ ('"' | '\\' | '\'') => c,
        _ => return None,
    })
}
