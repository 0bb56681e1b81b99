//! What compiled code needs of Python at run time.
