//! What must hold of an image before any of it is used: every index is in its table, what generated code writes has
//! room.

use numlift_runtime::abi::MAX_OPERANDS;
use numlift_runtime::{ObjectEntry, ResumeSource, SiteKind};
use numlift_types::{ObjectRef, ReadPath, Type};

use super::Image;
use crate::island::Form;
use crate::value::slots;

/// NumPy has no more.
const MAX_RANK: u8 = 64;

type Checked = Result<(), &'static str>;

fn must(holds: bool, what: &'static str) -> Checked {
    holds.then_some(()).ok_or(what)
}

pub(super) fn check(image: &Image) -> Checked {
    let blob = &image.blob;
    must((blob.entry as usize) < blob.code.len(), "no entry in the code")?;
    must(blob.align.is_power_of_two() && blob.align <= 4096, "alignment")?;
    let arguments = image.args.iter().chain(&image.ret);
    arguments.clone().try_for_each(rank)?;
    must(arguments.map(slots).sum::<usize>() < 1 << 16, "too many slots")?;
    must(blob.ret_slots < 1 << 16, "too many slots of the result")?;
    for site in &image.sites {
        must(
            (site.frame as usize) < image.frames.len(),
            "a site without a frame",
        )?;
        check_site(image, &site.kind)?;
    }
    image.objects.iter().try_for_each(|o| check_object(image, o))?;
    for call in &image.calls {
        call.args.iter().chain([&call.ret]).try_for_each(rank)?;
        must(call.keywords.len() <= call.args.len(), "keywords of a call")?;
        must(
            call.method.is_empty() || !call.args.is_empty(),
            "a method of nothing",
        )?;
    }
    for island in &image.islands {
        let variables = island.params.iter().chain(&island.outs).chain(&island.partial);
        let variables = variables.map(|v| &v.ty);
        variables.chain([&island.ret]).try_for_each(rank)?;
        let read = island.form == Form::Read;
        let known = |p: &ReadPath| {
            p.last_variable()
                .is_none_or(|n| (n as usize) < island.params.len())
        };
        must(
            island.reads.iter().all(known) && (!read || island.reads.len() == island.outs.len()),
            "reads",
        )?;
        must(
            !read || island.params.iter().all(|v| !v.maybe),
            "nothing to be read",
        )?;
        must(island.watched < 1 << 16, "watched arrays")?;
        must(
            island
                .resume
                .iter()
                .chain(&island.over)
                .all(|&p| (p as usize) < image.points.len()),
            "no resume point",
        )?;
    }
    for point in &image.points {
        for (_, source) in &point.vars {
            check_source(image, source)?;
        }
        let known = |(_, at): &(ObjectRef, u32)| (*at as usize) < image.objects.len();
        must(point.objects.iter().all(known), "no such object")?;
        point.operands().iter().try_for_each(rank)?;
    }
    Ok(())
}

fn check_source(image: &Image, source: &ResumeSource) -> Checked {
    match source {
        ResumeSource::Argument(i) => must(*i < image.args.len(), "no such argument"),
        ResumeSource::Object { index, .. } => must((*index as usize) < image.objects.len(), "no such object"),
        ResumeSource::Cell(Some(value)) => check_source(image, value),
        ResumeSource::Operand { .. }
        | ResumeSource::Code { .. }
        | ResumeSource::Nested { .. }
        | ResumeSource::Unbound
        | ResumeSource::Cell(None) => Ok(()),
    }
}

fn check_site(image: &Image, kind: &SiteKind) -> Checked {
    let (operands, most) = match kind {
        SiteKind::Replay { operands, .. } => (operands, MAX_OPERANDS),
        SiteKind::Frame {
            point: None,
            operands,
        } => (operands, usize::MAX),
        SiteKind::Resume { point, operands, .. }
        | SiteKind::Frame {
            point: Some(point),
            operands,
        } => {
            let point = image.points.get(*point as usize).ok_or("no resume point")?;
            let size = |types: &[Type]| types.iter().map(slots).sum::<usize>();
            must(
                size(&point.operands()) == size(operands),
                "operands of a resume point",
            )?;
            (operands, usize::MAX)
        }
        SiteKind::Raise { .. } | SiteKind::Exit(_) | SiteKind::Call | SiteKind::Helper | SiteKind::Island => {
            return Ok(());
        }
    };
    operands.iter().try_for_each(rank)?;
    let needed: usize = operands.iter().map(slots).sum();
    must(needed <= most, "too many operands")
}

fn check_object(image: &Image, entry: &ObjectEntry) -> Checked {
    let known = |o: &ObjectRef| must((o.0 as usize) < image.facts.known.len(), "no such object");
    match entry {
        ObjectEntry::Object(o)
        | ObjectEntry::CFunction(o)
        | ObjectEntry::UfuncLoop(o, _)
        | ObjectEntry::UfuncData(o, _) => known(o),
        ObjectEntry::ArrayFunction(..) | ObjectEntry::GlobalBitgen | ObjectEntry::GlobalGauss => Ok(()),
    }
}

/// Ranks that arrays can have, in a type and its parts.
fn rank(t: &Type) -> Checked {
    match t {
        Type::Array(a) => must(a.ndim <= MAX_RANK, "rank"),
        other => other.parts().into_iter().try_for_each(rank),
    }
}
