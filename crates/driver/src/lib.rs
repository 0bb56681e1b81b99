//! The compile pipeline.
