//! What must not compile, and what the compiler says. Where types cannot forbid a misuse, `misuse_at_run_time.rs` has the error.

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/misuse/*.rs");
}
