//! Finding the function in the source text, and parsing it.

use numlift_diagnostics::{Diagnostic, SourceMap, Span};
use rustpython_parser::ast::{self, Ranged};
use rustpython_parser::{Mode, ParseError, parse};

use crate::build::{Body, Builder, Definition};
use crate::{hir, scan};

/// The code object whose source is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionQuery {
    /// `co_name`: `<lambda>` for lambdas.
    pub name: String,
    /// `co_firstlineno`
    pub line: u32,
    /// Names of the parameters in the order of `co_varnames`; they tell lambdas on one line apart.
    pub arg_names: Vec<String>,
    /// `co_freevars`
    pub free_names: Vec<String>,
}

/// Above this complexity (see [`scan::Block`]) the work is done on a thread with a large stack.
const DEEP: usize = 400;
const DEEP_STACK: usize = 512 << 20;
/// Makes an indented block a valid module without changing its columns.
const INDENTED: &str = "if 1:\n";

/// Parses the function that `want` describes.
///
/// `source` is text of `file` from line `first_line` on. It may be indented, and may go on after the
/// end of the function.
///
/// # Errors
/// NL1002 if the text is not understood, NL1005 if another function stands there.
pub fn parse_function(
    source: &str,
    file: &str,
    first_line: u32,
    want: &FunctionQuery,
) -> Result<hir::Function, Diagnostic> {
    let skip = skip_lines(source, want.line.saturating_sub(first_line));
    let text = &source[skip..];
    let block = scan::block(text);
    let lambda = want.name == "<lambda>";
    // The end of a lambda that starts inside a bracket is behind the end of its logical line.
    let end = if lambda { source.len() } else { skip + block.end };
    let map = SourceMap::new(&source[..end], file, first_line);
    let finder = Finder {
        map: &map,
        first_line,
        want,
    };
    let find = || {
        if lambda {
            finder.lambda(skip)
        } else {
            finder.def(skip)
        }
    };
    if block.complexity <= DEEP {
        return find();
    }
    std::thread::scope(|threads| {
        let builder = std::thread::Builder::new().stack_size(DEEP_STACK);
        let failed = || {
            map.diagnostic(
                "NL1002",
                line_span(skip),
                "this function is too large to be parsed",
            )
        };
        match builder.spawn_scoped(threads, find) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(failed())),
            Err(_) => Err(failed()),
        }
    })
}

fn skip_lines(source: &str, lines: u32) -> usize {
    let mut newlines = source.bytes().enumerate().filter(|&(_, b)| b == b'\n');
    match lines.checked_sub(1) {
        None => 0,
        Some(n) => newlines.nth(n as usize).map_or(source.len(), |(i, _)| i + 1),
    }
}

fn line_span(start: usize) -> Span {
    Span {
        start: start as u32,
        end: u32::MAX,
    }
}

struct Finder<'s> {
    map: &'s SourceMap<'s>,
    first_line: u32,
    want: &'s FunctionQuery,
}

impl Finder<'_> {
    fn builder(&self, shift: i64) -> Builder<'_> {
        Builder::new(self.map, shift, self.first_line, &self.want.free_names)
    }

    fn def(&self, skip: usize) -> Result<hir::Function, Diagnostic> {
        let text = &self.map.text()[skip..];
        let indented = text.starts_with([' ', '\t', '\x0c']);
        let prefix = if indented { INDENTED } else { "" };
        let shift = skip as i64 - prefix.len() as i64;
        let module = if indented {
            parse(&format!("{prefix}{text}"), Mode::Module, "")
        } else {
            parse(text, Mode::Module, "")
        };
        let module = module.map_err(|error| self.syntax_error(&error, shift))?;
        let mut stmt = module.as_module().and_then(|module| module.body.first());
        if indented {
            stmt = stmt
                .and_then(|stmt| stmt.as_if_stmt())
                .and_then(|block| block.body.first());
        }
        let (name, args, body, is_async) = match stmt {
            Some(ast::Stmt::FunctionDef(x)) => (&x.name, &x.args, &x.body, false),
            Some(ast::Stmt::AsyncFunctionDef(x)) => (&x.name, &x.args, &x.body, true),
            _ => return Err(self.changed(skip)),
        };
        if name.as_str() != self.want.name {
            return Err(self.changed(skip));
        }
        let mut builder = self.builder(shift);
        let span = builder.span(stmt.map(Ranged::range).unwrap_or_default());
        let function = builder.function(&Definition {
            name,
            span,
            args,
            body: Body::Block(body),
            is_async,
        });
        self.finish(builder, function)
    }

    fn finish(&self, builder: Builder<'_>, function: hir::Function) -> Result<hir::Function, Diagnostic> {
        match builder.too_deep {
            None => Ok(function),
            Some(span) => {
                let mut error = self
                    .map
                    .diagnostic("NL1002", span, "this code is nested too deeply");
                error.help = Some("split it into several statements or functions".to_owned());
                Err(error)
            }
        }
    }

    fn changed(&self, skip: usize) -> Diagnostic {
        let message = format!("the source no longer has `{}` at this line", self.want.name);
        let mut error = self.map.diagnostic("NL1005", line_span(skip), message);
        error.help = Some("import the module again after editing it".to_owned());
        error
    }

    fn syntax_error(&self, error: &ParseError, shift: i64) -> Diagnostic {
        let end = self.map.text().len() as i64;
        let start = (i64::from(u32::from(error.offset)) + shift).clamp(0, end) as u32;
        let message = format!("the parser does not understand this: {}", error.error);
        let mut error = self.map.diagnostic(
            "NL1002",
            Span {
                start,
                end: start + 1,
            },
            message,
        );
        error.help =
            Some("write it in syntax of Python 3.11, or leave this function to the interpreter".to_owned());
        error
    }

    fn lambda(&self, skip: usize) -> Result<hir::Function, Diagnostic> {
        let text = self.map.text();
        let end = text[skip..].find('\n').map_or(text.len(), |n| skip + n);
        let mut failure = None;
        let mut found: Vec<hir::Function> = Vec::new();
        for (start, depth) in scan::lambdas(text, skip, end) {
            match self.lambda_at(skip, start, depth) {
                Ok(Some(function)) => found.push(function),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        if found.len() > 1 {
            let wanted = |f: &hir::Function| {
                f.free.len() == self.want.free_names.len()
                    && f.free.iter().all(|name| self.want.free_names.contains(name))
            };
            found.retain(wanted);
        }
        let same = |f: &hir::Function| text.get(f.span.start as usize..f.span.end as usize);
        if found.windows(2).any(|pair| same(&pair[0]) != same(&pair[1])) {
            let message = "several lambdas on this line have these parameters";
            let mut error = self.map.diagnostic("NL1002", line_span(skip), message);
            error.help = Some("put each lambda on a line of its own".to_owned());
            return Err(error);
        }
        match (found.into_iter().next(), failure) {
            (Some(function), _) => Ok(function),
            (None, Some(error)) => Err(error),
            (None, None) => Err(self.changed(skip)),
        }
    }

    /// The lambda at `start`, if its parameters are the wanted ones.
    fn lambda_at(
        &self,
        line_start: usize,
        start: usize,
        depth: usize,
    ) -> Result<Option<hir::Function>, Diagnostic> {
        let text = self.map.text();
        let mut end = scan::lambda_end(text, start, depth == 0);
        if depth == 0 && scan::continues(text, line_start, end) {
            end = scan::lambda_end(text, start, false);
        }
        let shift = start as i64 - 1;
        let parsed = parse(&format!("({}\n)", &text[start..end]), Mode::Expression, "");
        let parsed = parsed.map_err(|error| self.syntax_error(&error, shift))?;
        let lambda = parsed.as_expression().and_then(|top| top.body.as_lambda_expr());
        let Some(lambda) = lambda else {
            return Ok(None);
        };
        if !self.has_wanted_parameters(&lambda.args) {
            return Ok(None);
        }
        let mut builder = self.builder(shift);
        let span = builder.span(lambda.range);
        let body = Body::Expr(&lambda.body);
        let function = builder.function(&Definition {
            name: "<lambda>",
            span,
            args: &lambda.args,
            body,
            is_async: false,
        });
        self.finish(builder, function).map(Some)
    }

    /// Compares in the order of `co_varnames`; the names of `*args` and `**kwargs` may be left out.
    fn has_wanted_parameters(&self, args: &ast::Arguments) -> bool {
        let plain = args.posonlyargs.iter().chain(&args.args).chain(&args.kwonlyargs);
        let mut names: Vec<&str> = plain.map(|arg| arg.def.arg.as_str()).collect();
        let without_stars = names == self.want.arg_names;
        names.extend(args.vararg.iter().chain(&args.kwarg).map(|arg| arg.arg.as_str()));
        without_stars || names == self.want.arg_names
    }
}
