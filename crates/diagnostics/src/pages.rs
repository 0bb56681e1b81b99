//! The pages of `docs/errors`, so that `numlift explain` shows them without the documentation at hand.

macro_rules! pages {
    ($($code:literal)*) => {
        /// Code and page, in the order of the table of codes.
        pub const PAGES: &[(&str, &str)] = &[
            $(($code, include_str!(concat!("../../../docs/errors/", $code, ".md"))),)*
        ];
    };
}

pages! {
    "NL1001" "NL1002" "NL1003" "NL1004" "NL1005"
    "NL2001" "NL2002" "NL2003" "NL2004" "NL2005" "NL2006" "NL2007" "NL2008"
    "NL2009" "NL2010" "NL2011" "NL2012" "NL2013" "NL2014" "NL2015" "NL2016"
    "NL2017"
    "NL9001"
}

/// The page of a code, as Markdown.
pub fn find(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(c, _)| *c == code).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_page() {
        let coded: Vec<&str> = crate::codes::ALL.iter().map(|info| info.code).collect();
        let paged: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(coded, paged);
        for (code, page) in PAGES {
            assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        }
        assert_eq!(find("NL0000"), None);
    }
}
