//! From the compiler's artifact to an image: what the boundary runs.

use numlift_driver::{Artifact, IslandForm, IslandSpec, ResumePoint};
use numlift_pyrt::image::{Image, IslandImage};
use numlift_pyrt::island::Form;
use numlift_pyrt::resume::{Point, Position};
use numlift_syntax::hir::Function;

/// The image of an artifact, without facts of the world. `hir` is that of its entry.
pub fn of(artifact: Artifact, hir: Option<&Function>, nogil: bool) -> Image {
    let source = hir.map_or(String::new(), |h| h.source.to_string());
    Image {
        nests: artifact.recursive || !artifact.calls.is_empty() || !artifact.islands.is_empty(),
        nogil: nogil && !artifact.uses_python,
        islands: artifact.islands.iter().map(|i| island(i, &source)).collect(),
        points: artifact.points.into_iter().map(|p| point(p, &source)).collect(),
        first_line: hir.map_or(0, |h| h.first_line),
        source,
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
fn position(source: &str, start: u32) -> Position {
    let before = source.get(..start as usize).unwrap_or("");
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1);
    (line, column as u32)
}

fn point(p: ResumePoint, source: &str) -> Point {
    let loops = p.loops.into_iter();
    Point {
        at: position(source, p.span.start),
        behind: p.behind,
        vars: p.vars,
        loops: loops
            .map(|(span, items, types)| (position(source, span.start), items, types))
            .collect(),
    }
}

/// The form of an island for the boundary and for `numlift._islands`.
fn form(form: IslandForm) -> (Form, &'static str) {
    match form {
        IslandForm::Test => (Form::Test, "test"),
        IslandForm::Plain => (Form::Plain, "plain"),
        IslandForm::Coded => (Form::Coded, "coded"),
        IslandForm::Iter => (Form::Plain, "iter"),
        IslandForm::Next => (Form::Next, "next"),
        IslandForm::Drop => (Form::Drop, "drop"),
    }
}

fn island(spec: &IslandSpec, source: &str) -> IslandImage {
    let (form, kind) = form(spec.form);
    IslandImage {
        at: spec.spans.iter().map(|s| position(source, s.start)).collect(),
        kind: kind.to_owned(),
        form,
        params: spec.params.clone(),
        outs: spec.outs.clone(),
        ret: spec.ret.clone(),
        watched: spec.watched,
        resume: spec.resume,
        unbinds: spec.unbinds.clone(),
        line: spec.line,
    }
}
