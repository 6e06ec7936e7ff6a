mkdir src
cat >Cargo.toml <<'END'
[package]
name = "hello"
version = "0.1.0"
edition = "2021"
END
cat >twice.c <<'END'
int twice(int x) { return 2 * x; }
END
# What the build script gets, and what it builds with the C compiler.
cat >build.rs <<'END'
use std::{env, path::Path, process::Command};

fn run(name: &str, args: &[&str]) {
    assert!(Command::new(name).args(args).status().unwrap().success(), "{name}");
}

fn main() {
    for path in env::split_paths(&env::var_os("LD_LIBRARY_PATH").unwrap_or_default()) {
        // Cargo's own: what it builds, and the directory of Rust's library.
        assert!(path.starts_with(env::current_dir().unwrap()) || path.ends_with(Path::new("rustlib").join(env::var("TARGET").unwrap()).join("lib")), "{path:?}");
    }
    assert!(env::var_os("LD_PRELOAD").is_none());
    let out = env::var("OUT_DIR").unwrap();
    run("cc", &["-c", "-fPIC", "twice.c", "-o", &format!("{out}/twice.o")]);
    run("ar", &["rcs", &format!("{out}/libtwice.a"), &format!("{out}/twice.o")]);
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rustc-link-lib=static=twice");
}
END
cat >src/lib.rs <<'END'
extern "C" {
    fn twice(x: i32) -> i32;
}

/// Twice as much.
///
/// ```
/// assert_eq!(hello::double(2), 4);
/// ```
pub fn double(x: i32) -> i32 {
    unsafe { twice(x) }
}

#[test]
fn doubles() {
    assert_eq!(double(3), 6);
}
END
cat >src/main.rs <<'END'
fn main() {
    let n = std::env::args().count();
    // Floating-point remainders are of the C library, with a new version in 2.38.
    println!("hello from Rust and C, {} {}", hello::double(n as i32), (n as f64 + 2.5) % 2.0);
}
END
rustc --version
cargo --version
cargo build --offline
cargo run --offline
cargo test --offline
printf 'fn main() { assert!(std::env::var_os("LD_LIBRARY_PATH").is_none()); println!("hello from Rust"); }' >one.rs
rustc -O one.rs
./one
