//! The command line: what there is to say, parsed and completed. What the commands do is in `python/numlift/_cli.py`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A just-in-time compiler for numeric Python.
#[derive(Parser)]
#[command(name = "numlift", version, arg_required_else_help = true, styles = STYLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what has no static type in the functions of files, without running their main part.
    ///
    /// Checks the @jit functions that have a signature or annotations. The exit status is 0 if nothing was
    /// found, 1 if something was, 2 if a file cannot be imported.
    Check {
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Check all functions, also those without @jit; --assume says what their arguments are
        #[arg(long)]
        all: bool,
        /// Type of parameters without annotation, or of the parameters of a name: 'float64[:, ::1]', 'n=int'
        #[arg(long, value_name = "[NAME=]TYPE")]
        assume: Vec<String>,
        /// How to print what is found
        #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
        format: CheckFormat,
    },
    /// Compile the functions of a file into an extension module that needs neither numlift nor a compiler.
    ///
    /// Compiles the @jit functions that have a signature or annotations, or for which an option says what their
    /// arguments are; the module has the rest of the file too, as Python. No C compiler is used. The exit status is
    /// 0 if the module was written, 1 if a function cannot be compiled, 2 if the file cannot be imported.
    Compile {
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Where to write, by default beside the file
        #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        output: Option<PathBuf>,
        /// Name of the module, by default that of the file
        #[arg(long, value_name = "MODULE")]
        name: Option<String>,
        /// The processors that the code runs on; the module refuses others when it is imported
        #[arg(long, value_enum, default_value_t = CpuName::Baseline)]
        cpu: CpuName,
        /// Leave out the symbol table, which is for debuggers
        #[arg(long)]
        strip: bool,
        /// Compile a function for these argument types: 'f(float64[:], int)'; may be repeated
        #[arg(long, value_name = "SIGNATURE")]
        signature: Vec<String>,
        /// Run a script and compile what its calls specialise
        #[arg(long, value_name = "SCRIPT", value_hint = ValueHint::FilePath)]
        from_run: Option<PathBuf>,
        /// Refuse what the interpreter would run; calls with other argument types are a TypeError
        #[arg(long)]
        strict: bool,
        /// Find what has no static type, and write nothing
        #[arg(long)]
        check: bool,
        /// Write this instead of a module; may be repeated
        #[arg(
            long,
            value_enum,
            value_name = "KIND",
            value_delimiter = ',',
            conflicts_with = "check"
        )]
        emit: Vec<Emit>,
        /// How to print what was done
        #[arg(long, value_enum, default_value_t = InfoFormat::Text)]
        format: InfoFormat,
    },
    /// Run a script and report what ran where, how often, why, and what to change.
    ///
    /// The script runs as with `python`: same arguments, same exit status.
    Report {
        /// How to show the report; a page if nothing is said, of a comparison text
        #[arg(long, value_enum)]
        format: Option<ReportFormat>,
        /// Where to write it; `-` is standard output, which is also the default of text and json
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
        /// Open the page in a browser
        #[arg(long)]
        open: bool,
        /// Exit with 1 if less than this percentage of the lines runs as machine code
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
        fail_under: Option<u8>,
        /// Compare two reports that were written as JSON; no script is run
        #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with = "script", value_hint = ValueHint::FilePath)]
        diff: Option<Vec<PathBuf>>,
        /// Run a module as `python -m` does; what follows are its arguments
        #[arg(
            short,
            long,
            num_args = 1..,
            allow_hyphen_values = true,
            value_names = ["MODULE", "ARGUMENTS"],
            conflicts_with_all = ["diff", "script"]
        )]
        module: Option<Vec<OsString>>,
        /// The script and its arguments
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required_unless_present_any = ["diff", "module"],
            value_name = "SCRIPT",
            value_hint = ValueHint::FilePath
        )]
        script: Vec<OsString>,
    },
    /// Print the page of a diagnostic code, or all codes.
    Explain {
        /// Such as NL2003
        code: Option<String>,
    },
    /// Print versions, machine and options, for reports of bugs.
    Info {
        #[arg(long, value_enum, default_value_t = InfoFormat::Text)]
        format: InfoFormat,
    },
    /// Show or clear what `@jit(cache=True)` keeps on the disk.
    Cache {
        #[command(subcommand)]
        what: CacheCommand,
    },
    /// Print a script that completes the command line in a shell.
    Completion {
        #[arg(value_enum)]
        shell: ShellName,
    },
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Directory, number of specialisations, size, limit.
    Info {
        #[arg(long, value_enum, default_value_t = InfoFormat::Text)]
        format: InfoFormat,
    },
    /// Delete what is cached.
    Clear {
        #[arg(long, value_enum, default_value_t = InfoFormat::Text)]
        format: InfoFormat,
    },
    /// Print the directory.
    Path,
}

#[derive(Clone, Copy, ValueEnum)]
enum CheckFormat {
    /// Each diagnostic with its source line
    Text,
    /// An array of objects
    Json,
    /// Annotations of a workflow
    Github,
}

#[derive(Clone, Copy, ValueEnum)]
enum CpuName {
    /// All processors of the architecture
    Baseline,
    /// Those that have what this one has
    Native,
    /// x86-64 with AVX2, FMA and BMI: from 2013 on
    #[value(name = "x86-64-v3")]
    X86V3,
}

#[derive(Clone, Copy, ValueEnum)]
enum Emit {
    /// An object file with the machine code of each specialisation
    Obj,
    /// Machine code as text
    Asm,
    /// Cranelift's intermediate language
    Clif,
    /// numlift's own, after optimisation
    Mir,
}

#[derive(Clone, Copy, ValueEnum)]
enum ReportFormat {
    /// A page for a browser
    Html,
    /// For terminals
    Text,
    /// For programs
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum InfoFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
}

impl From<ShellName> for Shell {
    fn from(name: ShellName) -> Shell {
        match name {
            ShellName::Bash => Shell::Bash,
            ShellName::Zsh => Shell::Zsh,
            ShellName::Fish => Shell::Fish,
        }
    }
}

/// The word that a value is on the command line.
fn word<V: ValueEnum>(value: V) -> String {
    value
        .to_possible_value()
        .map_or(String::new(), |v| v.get_name().to_owned())
}

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(parse_command_line, m)?)?;
    m.add_function(wrap_pyfunction!(completion_script, m)?)
}

/// The command and its options. Help, version and mistakes are the command `print`: a text and an exit status.
#[pyfunction]
#[pyo3(signature = (arguments, *, colour))]
fn parse_command_line(
    py: Python<'_>,
    arguments: Vec<OsString>,
    colour: bool,
) -> PyResult<(&'static str, Bound<'_, PyDict>)> {
    let options = PyDict::new(py);
    let words = std::iter::once(OsString::from("numlift")).chain(arguments);
    let command = match Arguments::try_parse_from(words) {
        Ok(parsed) => parsed.command,
        Err(e) => {
            let text = e.render();
            let text = if colour {
                text.ansi().to_string()
            } else {
                text.to_string()
            };
            options.set_item("text", text)?;
            options.set_item("status", e.exit_code())?;
            return Ok(("print", options));
        }
    };
    let name = fill(command, &options)?;
    Ok((name, options))
}

/// Sets the options of a command and gives its name.
fn fill(command: Command, options: &Bound<'_, PyDict>) -> PyResult<&'static str> {
    Ok(match command {
        Command::Check {
            files,
            all,
            assume,
            format,
        } => {
            options.set_item("files", files)?;
            options.set_item("all", all)?;
            options.set_item("assume", assume)?;
            options.set_item("format", word(format))?;
            "check"
        }
        Command::Compile {
            file,
            output,
            name,
            cpu,
            strip,
            signature,
            from_run,
            strict,
            check,
            emit,
            format,
        } => {
            options.set_item("file", file)?;
            options.set_item("output", output)?;
            options.set_item("name", name)?;
            options.set_item("cpu", word(cpu))?;
            options.set_item("strip", strip)?;
            options.set_item("signature", signature)?;
            options.set_item("from_run", from_run)?;
            options.set_item("strict", strict)?;
            options.set_item("check", check)?;
            options.set_item("emit", emit.into_iter().map(word).collect::<Vec<_>>())?;
            options.set_item("format", word(format))?;
            "compile"
        }
        Command::Report {
            format,
            output,
            open,
            fail_under,
            diff,
            module,
            script,
        } => {
            options.set_item("format", format.map(word))?;
            options.set_item("output", output)?;
            options.set_item("browse", open)?;
            options.set_item("fail_under", fail_under)?;
            options.set_item("diff", diff)?;
            options.set_item("module", module)?;
            options.set_item("script", script)?;
            "report"
        }
        Command::Explain { code } => {
            options.set_item("code", code)?;
            "explain"
        }
        Command::Info { format } => {
            options.set_item("format", word(format))?;
            "info"
        }
        Command::Cache { what } => {
            let (what, format) = match what {
                CacheCommand::Info { format } => ("info", format),
                CacheCommand::Clear { format } => ("clear", format),
                CacheCommand::Path => ("path", InfoFormat::Text),
            };
            options.set_item("what", what)?;
            options.set_item("format", word(format))?;
            "cache"
        }
        Command::Completion { shell } => {
            options.set_item("shell", word(shell))?;
            "completion"
        }
    })
}

/// The completion script of a shell.
#[pyfunction]
fn completion_script(shell: &str) -> PyResult<String> {
    let shell = ShellName::from_str(shell, false).map_err(PyValueError::new_err)?;
    let mut script = vec![];
    clap_complete::generate(
        Shell::from(shell),
        &mut Arguments::command(),
        "numlift",
        &mut script,
    );
    Ok(String::from_utf8_lossy(&script).into_owned())
}
