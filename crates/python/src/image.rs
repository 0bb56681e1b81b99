//! From the compiler's artifact to an image: what the boundary runs.

use std::sync::Arc;

use numlift_driver::{Artifact, IslandForm, IslandSpec};
use numlift_pyrt::image::{Image, IslandImage, Text};
use numlift_pyrt::island::Form;
use numlift_syntax::hir::Function;
use numlift_types::CodeRef;

use crate::env::ROOT;

/// The image of an artifact, without facts of the world. `hirs` are those of its functions, by handle.
pub fn of(artifact: Artifact, hirs: &[Option<Arc<Function>>], nogil: bool) -> Image {
    let texts = hirs.iter().zip((0..).map(CodeRef)).map(|(hir, code)| {
        let wanted = code == ROOT || artifact.points.iter().any(|p| p.uses(code));
        let hir = hir.as_ref().filter(|_| wanted);
        hir.map_or_else(Text::default, |h| Text {
            source: h.source.to_string(),
            first_line: h.first_line,
        })
    });
    let texts: Vec<Text> = texts.collect();
    let source = texts.first().map_or("", |t| t.source.as_str());
    Image {
        nests: artifact.recursive || !artifact.calls.is_empty() || !artifact.islands.is_empty(),
        nogil: nogil && !artifact.uses_python,
        touches_python: artifact.uses_python,
        islands: artifact.islands.iter().map(|i| island(i, source)).collect(),
        points: artifact.points,
        texts,
        blob: artifact.blob,
        args: artifact.args,
        ret: artifact.ret,
        sites: artifact.sites,
        frames: artifact.frames,
        calls: artifact.calls,
        objects: artifact.objects,
        global_rng: artifact.uses_global_rng,
        ..Image::default()
    }
}

/// Line and column of an offset in a function's source.
pub fn position(source: &str, start: u32) -> (u32, u32) {
    let before = source.get(..start as usize).unwrap_or("");
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1);
    (line, column as u32)
}

/// The form of an island for the boundary and for `numlift._islands`.
fn form(form: IslandForm) -> (Form, &'static str) {
    match form {
        IslandForm::Test => (Form::Test, "test"),
        IslandForm::Plain => (Form::Plain, "plain"),
        IslandForm::Coded => (Form::Coded, "coded"),
        IslandForm::Iter => (Form::Iter, "iter"),
        IslandForm::Next => (Form::Next, "next"),
        IslandForm::Drop => (Form::Drop, "drop"),
        IslandForm::Class(_) => (Form::Class, "class"),
        IslandForm::Value => (Form::Plain, "value"),
        IslandForm::Enter(_) => (Form::Enter, "enter"),
        IslandForm::Leave(_) => (Form::Plain, "leave"),
        IslandForm::Suppress(_) => (Form::Suppress, "suppress"),
        // it has no code
        IslandForm::Read => (Form::Read, "drop"),
    }
}

fn island(spec: &IslandSpec, source: &str) -> IslandImage {
    let (form, kind) = form(spec.form);
    IslandImage {
        at: spec.spans.iter().map(|s| position(source, s.start)).collect(),
        kind: match spec.form {
            IslandForm::Class(n) | IslandForm::Enter(n) | IslandForm::Leave(n) | IslandForm::Suppress(n) => {
                format!("{kind} {n}")
            }
            _ => kind.to_owned(),
        },
        form,
        params: spec.params.clone(),
        cells: spec.cells.clone(),
        frame: spec.frame,
        outs: spec.outs.clone(),
        partial: spec.partial.clone(),
        protected: spec.protected,
        ret: spec.ret.clone(),
        watched: spec.watched,
        resume: spec.resume,
        over: spec.over,
        unbinds: spec.unbinds.clone(),
        reads: spec.reads.clone(),
        assumes: spec.assumes,
        ends: spec.ends,
        line: spec.line,
    }
}
