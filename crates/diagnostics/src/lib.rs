//! Spans, source maps, diagnostics and their renderers.
