//! The text form of a module, for people; reading it back comes with the filetests.

use crate::ir::Module;

impl std::fmt::Display for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (id, func) in self.funcs.iter() {
            writeln!(f, "{id:?} {} {:?} -> {:?}", func.name, func.params, func.results)?;
            for &b in &func.layout {
                writeln!(f, "{b:?}({:?}):", func.blocks[b].params)?;
                for &i in &func.blocks[b].insts {
                    let d = &func.insts[i];
                    writeln!(
                        f,
                        "  {:?} = {}.{} {:?} {:?}",
                        d.results,
                        d.op.name(),
                        d.ty.name(),
                        d.args,
                        d.imm
                    )?;
                }
            }
        }
        Ok(())
    }
}
