//! Analyses and transforms on MIR.
pub struct Remark {
    pub pass: &'static str,
    pub line: u32,
    pub message: String,
}
#[derive(Default)]
pub struct OptOptions {
    pub verify: bool,
}
#[derive(Default)]
pub struct OptOutput {
    pub remarks: Vec<Remark>,
}
pub fn run(_m: &mut numlift_mir::Module, _o: &OptOptions) -> OptOutput {
    OptOutput::default()
}
