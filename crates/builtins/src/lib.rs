//! The table of supported functions, methods and attributes.
