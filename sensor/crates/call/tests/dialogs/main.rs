//! Calls from scripts of messages: known shapes, odd ones, and chaos.
//!
//! Uses nothing but the crate's public face.

#[cfg(test)]
mod correlated;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod forks;
#[cfg(test)]
mod inside;
#[cfg(test)]
mod media;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod running;
#[cfg(test)]
mod script;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod ties;
#[cfg(test)]
mod trouble;
