//! Compiles the sources of smtp-client for the simulation.

fn main() {
    println!("cargo::rustc-cfg=smtp_simulation");
    println!("cargo::rerun-if-changed=build.rs");
}
