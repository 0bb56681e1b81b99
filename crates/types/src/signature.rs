//! Signature strings such as `float64(float64[:, ::1])`: parse and print.
