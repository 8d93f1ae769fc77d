//! Names of attachments, which come from the sender and are never trusted.

/// Octets of a name, in UTF-8.
const LONGEST: usize = 150;

/// Names of devices on Windows, with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "clock$"];

/// Returns a name for a file, from a name that may be anything: without folders, control characters,
/// characters that change the direction of text, and leading or final dots.
pub(super) fn clean(declared: &str, index: usize) -> String {
    let last =
        declared.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let kept: String = last.chars().filter(|&it| !is_invisible(it)).map(replace).collect();
    let kept = shorten(kept.trim_matches(|it: char| it.is_whitespace() || it == '.'));
    let kept = kept.trim_end_matches(|it: char| it.is_whitespace() || it == '.');
    if kept.is_empty() {
        return format!("attachment-{}", index + 1);
    }
    let stem = kept.split('.').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_port = stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt"));
    if DEVICES.contains(&stem.as_str()) || is_port { format!("_{kept}") } else { kept.to_owned() }
}

fn replace(it: char) -> char {
    if matches!(it, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '%') { '_' } else { it }
}

/// Controls, zero-width characters, and marks of the direction of text.
fn is_invisible(it: char) -> bool {
    it.is_control()
        || matches!(it,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
}

/// Keeps the extension, which tells what a file is.
fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let extension = if extension.len() <= 16 { extension } else { "" };
    let (stem, _) = super::cut(name, LONGEST - extension.len());
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn names() {
        for (declared, expected) in [
            ("report.pdf", "report.pdf"),
            ("Überweisung 1.pdf", "Überweisung 1.pdf"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("C:\\x\\", "x"),
            ("/", "attachment-3"),
            ("", "attachment-3"),
            ("...", "attachment-3"),
            (".bashrc", "bashrc"),
            ("a\"b\r\nX: y.txt", "a_bX_ y.txt"),
            // Shown as `invoiceexe.pdf` with the mark.
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a\u{0}b.txt", "ab.txt"),
            ("NUL.txt", "_NUL.txt"),
            ("com1", "_com1"),
            ("x.txt. . ", "x.txt"),
        ] {
            assert_eq!(clean(declared, 2), expected, "{declared:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = clean(&format!("{}.tar.gz", "ä".repeat(10_000)), 0);
        assert!(name.len() <= super::LONGEST && name.ends_with("ä.gz"), "{name}");
        let name = clean(&format!("x.{}", "y".repeat(10_000)), 0);
        assert_eq!(name.len(), super::LONGEST);
    }
}
