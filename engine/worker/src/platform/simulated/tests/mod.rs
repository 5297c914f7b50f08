//! The simulated host, used as a worker uses it.

use super::*;

mod describing;
