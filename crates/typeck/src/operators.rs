//! Typing rules of scalar operators.
