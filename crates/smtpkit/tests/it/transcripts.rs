//! What the tool prints, as files that show it. `TRYCMD=overwrite` writes them again.

#[test]
fn the_tool_prints_what_the_transcripts_show() {
    trycmd::TestCases::new()
        .case("tests/transcripts/*.trycmd")
        .register_bin("smtpkit", std::path::Path::new(env!("CARGO_BIN_EXE_smtpkit")));
}
