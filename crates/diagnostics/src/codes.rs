//! The table of diagnostic codes. Each has a page `docs/errors/<code>.md`, which `numlift explain` prints.

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// `NL2001`
    pub code: &'static str,
    pub title: &'static str,
    /// What it means, in one line.
    pub summary: &'static str,
    /// What to do, where the diagnostic has no better help of its own.
    pub help: &'static str,
    /// `docs/errors/<code>.md`
    pub page: &'static str,
}

macro_rules! codes {
    ($($code:ident $title:literal, $summary:literal, $help:literal;)*) => {
        /// Every code, in order.
        pub const ALL: &[CodeInfo] = &[
            $(CodeInfo {
                code: stringify!($code),
                title: $title,
                summary: $summary,
                help: $help,
                page: include_str!(concat!("../../../docs/errors/", stringify!($code), ".md")),
            },)*
        ];
        $(#[doc = $summary] pub const $code: crate::Code = stringify!($code);)*
    };
}

codes! {
    NL1001 "source not available",
        "The text of the function cannot be found, so there is nothing to compile.",
        "define the function in a file or a notebook cell";
    NL1002 "syntax not understood",
        "The parser does not understand the text of the function.",
        "write it in syntax of Python 3.11, one lambda a line";
    NL1003 "generator or async function",
        "Functions with `yield` or `await` run in the interpreter.",
        "fill an array and return it instead of yielding";
    NL1004 "call of a function with `*args` or `**kwargs`",
        "A function with a variable number of parameters is not compiled.",
        "name each parameter, or pass a tuple";
    NL1005 "source changed since import",
        "The file no longer holds the text the running function was made from.",
        "import the module again after editing it";
    NL2001 "no static type joins these",
        "A variable has types on different paths that no machine type can hold.",
        "give the variable the same type on every path";
    NL2002 "unsupported argument type",
        "An argument is of a class that has no machine representation.",
        "pass numbers, tuples of numbers or NumPy arrays, or annotate what is read from it";
    NL2003 "name has no static type",
        "A name refers to an object whose type the compiler does not know.",
        "pass the value as an argument, or make it a number, tuple or array";
    NL2004 "unsupported call",
        "The function called is not one the compiler knows.",
        "call a supported function, or a Python function that can be compiled";
    NL2005 "unsupported attribute",
        "The attribute is not one the compiler knows for this type.",
        "read the attribute outside and pass its value as an argument";
    NL2006 "unsupported operand types",
        "There is no compiled form of this operator for these types.",
        "convert the operands to numbers first";
    NL2007 "dynamic statement or expression",
        "This construct has no static type: try, with, dict, comprehension and the like.",
        "use loops, arrays and tuples in the compiled function";
    NL2008 "unsupported subscript",
        "This form of index has no compiled form.",
        "index with integers, and tuples with constants";
    NL2009 "module not loaded yet",
        "The function imports a module that nothing has imported yet.",
        "import the module at the top of the file, or call the function again";
    NL2010 "assigns to a global or nonlocal name",
        "The function rebinds a variable that is not its own.",
        "return the value, or keep it in an array";
    NL2011 "import inside the function not resolvable",
        "An import in the function cannot be resolved without running it.",
        "import at the top of the file";
    NL2012 "iteration has no static type",
        "What the loop runs over has items of no static type.",
        "loop over `range`, an array, `enumerate`, `zip` or `reversed` of them";
    NL2013 "unsupported dtype",
        "The array has a dtype without compiled arithmetic.",
        "convert the array with `astype`";
    NL2014 "too many specialisations",
        "The function has been compiled for as many argument types as are kept.",
        "convert arguments to fewer types before the call";
    NL2015 "whole-array operation not compiled yet",
        "An operation on whole arrays is left to the interpreter.",
        "write it as a loop over elements";
    NL2016 "arguments do not match the signature",
        "The arguments of a call do not fit the parameters of the function called.",
        "pass each required parameter exactly once";
    NL2017 "interpreted as a whole",
        "A part of the function runs in the interpreter and cannot be taken out of it.",
        "put that part into a function of its own";
    NL9001 "internal error",
        "The compiler failed; the function runs in the interpreter.",
        "report it with the function and the types of its arguments";
}

/// The row of `code`.
pub fn find(code: &str) -> Option<&'static CodeInfo> {
    ALL.iter().find(|info| info.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_unique() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!(
            find("NL2003").map(|info| info.title),
            Some("name has no static type")
        );
        assert_eq!(find("unknown"), None);
    }

    #[test]
    fn every_page_is_about_a_code_of_the_table() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let pages = std::fs::read_dir(docs)
            .expect("the pages")
            .flatten()
            .map(|entry| entry.path());
        let mut seen = 0;
        for page in pages {
            let stem = page
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if stem.starts_with("NL") {
                let row = find(&stem).unwrap_or_else(|| panic!("{stem} has a page but no row"));
                assert!(row.page.starts_with(&format!("# {stem}: ")));
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}
