//! Linux, asked directly: `/proc`, system calls, own readers of bytes.
