//! Structure of what is emitted; the values are compared with the interpreter from Python.
