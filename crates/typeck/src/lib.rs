//! Type inference over HIR.
