//! The texts of MIR, CLIF and machine code as lines with the source line each comes from.

/// Reads the texts of one specialisation.
pub struct Listing<'a> {
    /// Functions whose lines are those of the source that is shown; what comes from others has line 0.
    pub functions: Vec<&'a str>,
}

/// Source line (0: none) and text.
pub type Row = (u32, String);

impl Listing<'_> {
    /// MIR: the line stands at the end, `... @12`.
    pub fn mir(&self, text: &str) -> Vec<Row> {
        let header = |line: &str| {
            let name = line.strip_prefix("function ")?.split('"').nth(1)?;
            Some(name.to_owned())
        };
        self.rows(text, header, at_end)
    }

    /// CLIF: the line stands at the beginning, in hexadecimal, `@000c ...`.
    pub fn clif(&self, text: &str) -> Vec<Row> {
        self.rows(text, titled, |line| {
            let (at, rest) = line.strip_prefix('@')?.split_once(' ')?;
            let number = u32::from_str_radix(at, 16).ok()?;
            Some((number, format!("    {}", rest.trim_start())))
        })
    }

    /// Machine code: as MIR.
    pub fn asm(&self, text: &str) -> Vec<Row> {
        self.rows(text, titled, at_end)
    }

    fn rows(
        &self,
        text: &str,
        header: impl Fn(&str) -> Option<String>,
        split: impl Fn(&str) -> Option<(u32, String)>,
    ) -> Vec<Row> {
        let mut own = false;
        let mut out = vec![];
        for line in text.trim().lines() {
            if let Some(name) = header(line) {
                own = self.functions.contains(&name.as_str());
            }
            let (number, rest) = split(line).unwrap_or_else(|| (0, unpadded(line)));
            out.push((if own { number } else { 0 }, rest));
        }
        out
    }
}

fn titled(line: &str) -> Option<String> {
    line.strip_prefix("; ").map(str::to_owned)
}

fn at_end(line: &str) -> Option<(u32, String)> {
    let (rest, number) = line.rsplit_once('@')?;
    let number = number.parse().ok()?;
    Some((number, rest.trim_end().to_owned()))
}

/// CLIF aligns what has no line with what has one.
fn unpadded(line: &str) -> String {
    match line.strip_prefix("                                ") {
        Some(rest) => rest.to_owned(),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_functions_are_not_ours() {
        let listing = Listing { functions: vec!["f"] };
        let mir = "function fn0 \"f\"() {\n  v1 = iconst.i64 1     @7\n}\nfunction fn1 \"g\"() {\n  return     @7\n}\n";
        let numbers: Vec<u32> = listing.mir(mir).iter().map(|r| r.0).collect();
        assert_eq!(numbers, [0, 7, 0, 0, 0, 0]);
        assert_eq!(listing.mir(mir)[1].1, "  v1 = iconst.i64 1");
        let clif = "; f\nfunction u0:0() {\n                                block0:\n@000c                               return\n}\n";
        let rows = listing.clif(clif);
        assert_eq!(rows[2], (0, "block0:".to_owned()));
        assert_eq!(rows[3], (12, "    return".to_owned()));
    }
}
