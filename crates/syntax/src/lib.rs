//! Python source text to HIR.
